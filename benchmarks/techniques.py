"""What each technique adds to a training step, beside the plain loop and the usual hand-written way.

    python benchmarks/techniques.py --network mnist
    python benchmarks/techniques.py --network conv --markdown docs/benchmarks.md
    python benchmarks/techniques.py --only dropout,sam --repeats 15

Needs torch and goodfit only; five to six minutes per network on two cores. Loops take turns, the plain one between
every few of the others, which evens out slow drift only: run it on an idle machine (see solo.py).
"""

import argparse
from pathlib import Path

import threads


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=("mnist", "conv"), default="mnist")
    parser.add_argument("--steps", type=int, help="training steps to a timing (mnist 36, conv 20)")
    parser.add_argument("--repeats", type=int, default=7, help="rounds of turns")
    parser.add_argument("--threads", type=int, default=2, help="threads for every loop")
    parser.add_argument("--data", type=Path, help="mnist.npz, if not in ../shared/data")
    parser.add_argument("--only", help="techniques whose name contains one of these, comma-separated")
    parser.add_argument("--markdown", type=Path, help="file whose table to write or replace")
    given = parser.parse_args()
    given.steps = given.steps or (36 if given.network == "mnist" else 20)
    return given


def main() -> None:
    given = arguments()
    threads.limit(given.threads)
    from per_step import compare  # only now: it imports torch, which reads the limits

    print(text := compare(given))
    if given.markdown:
        from tables import write

        write(given.markdown, given.network, text, kind="techniques")


if __name__ == "__main__":
    main()
