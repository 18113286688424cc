"""Compare the training of many small networks: one call of `fit_many`, and other trainers one network at a time.

    python benchmarks/population.py --quick
    python benchmarks/population.py --markdown docs/benchmarks.md
    python benchmarks/population.py --curve --markdown docs/benchmarks.md

128 members of a 20-64-64-2 network, each with its own strengths and learning rate, as one call of `fit_many`; the same
members in hand-written torch, Keras on JAX, scikit-learn, skorch and Lightning; and the time of the arithmetic alone.
Then four members of case study 1's network, as a population and one by one. `--curve` prints instead how the time per
member and step depends on the number of members and the width of the network.

Needs `pip install -e '.[bench]'`; missing libraries are skipped with the reason. Trainers alternate and ratios are
computed within a round, which removes slow drift only, so run it on an idle machine (see solo.py).
"""

import argparse
import os
import tempfile
from pathlib import Path

import threads

QUICK = {"rounds": 3, "epochs": 50, "peer_epochs": 5, "peer_members": 2, "large_steps": 10}
FULL = {"rounds": 5, "epochs": 100, "peer_epochs": 10, "peer_members": 4, "large_steps": 300}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="shorter timings, fewer rounds")
    parser.add_argument("--curve", action="store_true", help="time by members and width in place of the comparison")
    parser.add_argument("--members", type=int, default=128, help="members of the population")
    parser.add_argument("--peer-members", type=int, help="how many of them each other trainer trains (4, quick 2)")
    parser.add_argument("--epochs", type=int, help="epochs of the population, a whole study (100, quick 50)")
    parser.add_argument("--peer-epochs", type=int, help="epochs per timing of the other trainers (10, quick 5)")
    parser.add_argument("--rounds", type=int, help="number of rounds (5, quick 3)")
    parser.add_argument("--large-steps", type=int, help="steps per timing of case study 1's network (300, quick 10)")
    parser.add_argument("--threads", type=int, default=2, help="threads for every trainer that runs in one process")
    parser.add_argument("--only", help="only trainers whose name contains one of these, separated by commas")
    parser.add_argument("--data", type=Path, help="path of mnist.npz (default: in ../shared/data)")
    parser.add_argument("--markdown", type=Path, help="file in which the tables are written or replaced")
    options = parser.parse_args()
    for name, value in (QUICK if options.quick else FULL).items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    if options.peer_members < 2 or options.peer_members % 2 or options.peer_members > options.members:
        parser.error(f"--peer-members must be even, at least 2 and at most --members, got {options.peer_members}")
    return options


def main() -> None:
    options = arguments()
    threads.limit(options.threads)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = empty  # so that the first call compiles
        kind, text = ("curve", _curve(options)) if options.curve else ("members", _comparison(options))
    print(text)
    if options.markdown:
        from tables import write

        write(options.markdown, kind, text, kind="population")


def _comparison(options: argparse.Namespace) -> str:
    from population_comparison import compare  # after `limit`: it imports torch, which reads the limits

    return compare(options)


def _curve(options: argparse.Namespace) -> str:
    from population_curve import curve

    return curve(options)


if __name__ == "__main__":
    main()
