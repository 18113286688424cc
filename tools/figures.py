"""Measure and draw the figures of docs/techniques: the effect of each technique on real data.

Usage: python tools/figures.py [--draw] [NAME ...]
Without a name all techniques are measured, in about ten minutes on one core. With --draw the stored numbers are drawn
again and nothing is trained. Run `python tools/index.py` afterwards to update the pages. Needs matplotlib.
"""

from __future__ import annotations

import os
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported; small networks are slower on two threads

from effects import captions, drawing, measuring

from goodfit.techniques import ALL


def main(arguments: list[str]) -> int:
    """Measure and draw; report unknown names."""
    names = [argument for argument in arguments if argument != "--draw"]
    unknown = [name for name in names if name not in ALL]
    if unknown:
        print(f"figures: names must be techniques, got {', '.join(unknown)}", file=sys.stderr)
        return 2
    captions.FIGURES.mkdir(parents=True, exist_ok=True)
    for name in names or ALL:
        began = time.perf_counter()
        if "--draw" not in arguments:
            captions.store(name, measuring.measure(ALL[name]))
        numbers = captions.stored(name)
        if numbers is None:
            print(f"figures: {name} has not been measured; run without --draw", file=sys.stderr)
            return 2
        drawing.draw(ALL[name], numbers, captions.FIGURES / f"{name}.svg")
        print(f"{time.perf_counter() - began:5.1f} s  {captions.caption(numbers)}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
