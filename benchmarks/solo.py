"""Compare goodfit with other trainers on one network, in one process.

    python benchmarks/solo.py --network mnist
    python benchmarks/solo.py --network small --epochs 20 --repeats 9 --markdown docs/benchmarks.md

Needs `pip install -e '.[bench]'`; missing libraries are skipped with the reason. Trainers alternate and ratios are
computed within a round, which removes slow drift only, so run it on an idle machine. If other processes use the same
cores, torch's threads wait for each other and slow down tenfold, those of scikit-learn and JAX hardly.
"""

import argparse
from pathlib import Path

import threads


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=("mnist", "small", "wide", "cnn", "resnet"), default="mnist")
    parser.add_argument("--epochs", type=int, help="epochs per timing (default: small 5, others 1)")
    parser.add_argument("--repeats", type=int, default=5, help="number of rounds")
    parser.add_argument("--threads", type=int, default=2, help="threads for every trainer")
    parser.add_argument("--data", type=Path, help="path of mnist.npz (default: in ../shared/data)")
    parser.add_argument("--only", help="only trainers whose name contains one of these, separated by commas")
    parser.add_argument("--all", action="store_true", help="include the plain loop with a DataLoader")
    parser.add_argument("--markdown", type=Path, help="file in which the table is written or replaced")
    options = parser.parse_args()
    options.epochs = options.epochs or (5 if options.network == "small" else 1)
    return options


def main() -> None:
    options = arguments()
    threads.limit(options.threads)
    from trainer_comparison import compare  # after `limit`: it imports torch, which reads the limits

    print(text := compare(options))
    if options.markdown:
        from tables import write

        write(options.markdown, options.network, text)


if __name__ == "__main__":
    main()
