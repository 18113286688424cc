"""Measure and draw the figures of docs/techniques: a technique's effect on real data.

Usage: python tools/figures.py [--draw] [NAME ...]
All techniques where none is named: about ten minutes on one core. With --draw the stored numbers are drawn anew and
nothing is trained. Then `python tools/index.py` puts what is seen onto the pages. Needs matplotlib.
"""

from __future__ import annotations

import os
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported: networks this small are slower on two threads

from effects import drawing, measuring, words

from goodfit.techniques import ALL


def main(arguments: list[str]) -> int:
    """Measure and draw, or say which names are unknown."""
    names = [argument for argument in arguments if argument != "--draw"]
    unknown = [name for name in names if name not in ALL]
    if unknown:
        print(f"there is no technique {', '.join(unknown)}", file=sys.stderr)
        return 2
    words.FIGURES.mkdir(parents=True, exist_ok=True)
    for name in names or ALL:
        began = time.perf_counter()
        if "--draw" not in arguments:
            words.store(name, measuring.measure(ALL[name]))
        numbers = words.stored(name)
        if numbers is None:
            print(f"{name}: there are no numbers to draw", file=sys.stderr)
            return 2
        drawing.draw(ALL[name], numbers, words.FIGURES / f"{name}.svg")
        print(f"{time.perf_counter() - began:5.1f} s  {words.seen(numbers)}", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
