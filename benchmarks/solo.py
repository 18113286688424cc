"""One network trained by goodfit and by its peers, side by side in one process.

    python benchmarks/solo.py --network mnist
    python benchmarks/solo.py --network small --epochs 20 --repeats 9 --markdown docs/benchmarks.md

Needs `pip install -e '.[bench]'`; a peer that is missing is left out with the reason. Trainers take turns and the
ratios are taken within a round, which evens out slow drift only: run it on an idle machine. Where other processes
want the same cores, torch's threads wait for each other and slow down tenfold, scikit-learn's and JAX's hardly.
"""

import argparse
from pathlib import Path

import threads


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=("mnist", "small"), default="mnist")
    parser.add_argument("--epochs", type=int, help="epochs to a timing (mnist 1, small 5)")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of turns")
    parser.add_argument("--threads", type=int, default=2, help="threads for every trainer")
    parser.add_argument("--data", type=Path, help="mnist.npz, if not in ../shared/data")
    parser.add_argument("--only", help="trainers whose name contains one of these, comma-separated")
    parser.add_argument("--all", action="store_true", help="the plain loop with a DataLoader too")
    parser.add_argument("--markdown", type=Path, help="file whose table to write or replace")
    given = parser.parse_args()
    given.epochs = given.epochs or (1 if given.network == "mnist" else 5)
    return given


def main() -> None:
    given = arguments()
    threads.limit(given.threads)
    from rounds import compare  # only now: it imports torch, which reads the limits

    print(text := compare(given))
    if given.markdown:
        from tables import write

        write(given.markdown, given.network, text)


if __name__ == "__main__":
    main()
