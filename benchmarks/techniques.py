"""Measure the time that each technique adds to a training step, in goodfit and written by hand.

    python benchmarks/techniques.py --network mnist
    python benchmarks/techniques.py --network conv --markdown docs/benchmarks.md
    python benchmarks/techniques.py --only dropout,sam --repeats 15

Needs only torch and goodfit, and five to six minutes per network on two cores. Loops alternate, with the plain loop
after every few of them, which removes slow drift only, so run it on an idle machine (see solo.py).
"""

import argparse
from pathlib import Path

import threads


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=("mnist", "conv"), default="mnist")
    parser.add_argument("--steps", type=int, help="training steps per timing (mnist 36, conv 20)")
    parser.add_argument("--repeats", type=int, default=7, help="number of rounds")
    parser.add_argument("--threads", type=int, default=2, help="threads for every loop")
    parser.add_argument("--data", type=Path, help="path of mnist.npz (default: in ../shared/data)")
    parser.add_argument("--only", help="only techniques whose name contains one of these, separated by commas")
    parser.add_argument("--markdown", type=Path, help="file in which the table is written or replaced")
    options = parser.parse_args()
    options.steps = options.steps or (36 if options.network == "mnist" else 20)
    return options


def main() -> None:
    options = arguments()
    threads.limit(options.threads)
    from technique_comparison import compare  # after `limit`: it imports torch, which reads the limits

    print(text := compare(options))
    if options.markdown:
        from tables import write

        write(options.markdown, options.network, text, kind="techniques")


if __name__ == "__main__":
    main()
