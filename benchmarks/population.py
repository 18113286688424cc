"""Many small networks at once, beside the trainers that train them one after another.

    python benchmarks/population.py --quick
    python benchmarks/population.py --markdown docs/benchmarks.md
    python benchmarks/population.py --curve --markdown docs/benchmarks.md

128 members of a 20-64-64-2 network, each with its own strengths and learning rate, as one call of `fit_many`; the same
members by hand in torch, in Keras on JAX, scikit-learn, skorch and Lightning; and what the arithmetic alone takes.
Then four members of case study 1's network, as a population and one after another. `--curve` prints instead how the
time per member and step depends on the number of members and the width of the network.

Needs `pip install -e '.[bench]'`; a peer that is missing is left out with the reason. Run it on an idle machine: all
take turns and ratios are taken within a round, which evens out slow drift only (see solo.py).
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
    parser.add_argument("--curve", action="store_true", help="members × width in place of the comparison")
    parser.add_argument("--members", type=int, default=128, help="members of our population")
    parser.add_argument("--peer-members", type=int, help="how many of them each peer trains (4, quick 2)")
    parser.add_argument("--epochs", type=int, help="epochs of our population, a whole study (100, quick 50)")
    parser.add_argument("--peer-epochs", type=int, help="epochs to a peer's timing (10, quick 5)")
    parser.add_argument("--rounds", type=int, help="rounds of turns (5, quick 3)")
    parser.add_argument("--large-steps", type=int, help="steps of case study 1's network to a timing (300, quick 10)")
    parser.add_argument("--threads", type=int, default=2, help="threads for everyone who is alone on the machine")
    parser.add_argument("--only", help="peers whose name contains one of these, comma-separated")
    parser.add_argument("--data", type=Path, help="mnist.npz, if not in ../shared/data")
    parser.add_argument("--markdown", type=Path, help="file whose tables to write or replace")
    given = parser.parse_args()
    for name, value in (QUICK if given.quick else FULL).items():
        if getattr(given, name) is None:
            setattr(given, name, value)
    if given.peer_members < 2 or given.peer_members % 2 or given.peer_members > given.members:
        parser.error("--peer-members must be even, at least 2 and at most --members: two processes share them evenly")
    return given


def main() -> None:
    given = arguments()
    threads.limit(given.threads)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as empty:
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = empty  # a first call finds nothing compiled
        kind, text = ("curve", _curve(given)) if given.curve else ("members", _comparison(given))
    print(text)
    if given.markdown:
        from tables import write

        write(given.markdown, kind, text, kind="population")


def _comparison(given: argparse.Namespace) -> str:
    from population_rounds import compare  # only now: it imports torch, which reads the limits

    return compare(given)


def _curve(given: argparse.Namespace) -> str:
    from population_curve import curve

    return curve(given)


if __name__ == "__main__":
    main()
