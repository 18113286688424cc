"""Whether short fits rank recipes as full fits do: a screening begins each trial with a third of its epochs.

    OMP_NUM_THREADS=1 python benchmarks/short_fits.py [--data ../shared/data] [--sets credit-g digits] [--recipes 60]

Random recipes of the default space are trained on one fold with few and with all epochs, and on the other folds with
all epochs. The true gain of a recipe is its mean gain over plain on the other folds.
"""

from __future__ import annotations

import argparse
import time
import warnings
from dataclasses import replace
from pathlib import Path

import cells
import numpy as np
import torch
from portfolio import SETS, scores_on
from scipy.stats import spearmanr

from goodfit.recipe import Recipe
from goodfit.study import Candidate, Protocol
from goodfit.study.candidates import PLAIN
from goodfit.study.design import design
from goodfit.study.search.defaults import default_space
from goodfit.study.search.samplers import propose
from goodfit.study.search.trials import short_of
from goodfit.study.study import usual_training

FIRST, BEST = 20, 5
HEAD = ("data set", "fits", "time of a fit", "rank correlation with the true gain", f"of the {BEST} best recipes, "
        f"among the first {FIRST}", f"best true gain among the first {FIRST} (points)")  # fmt: skip


def rows(name: str, count: int, folder: Path) -> list[list[str]]:
    """A row for short fits and one for full fits."""
    data = SETS[name](folder)
    folds = design(Protocol(), data, search=True).screening
    splits = [fold.split() for fold in folds]
    usual = replace(usual_training(splits[0]), metric="balanced_accuracy")
    space = default_space(splits[0].spec, usual)
    full = [space.candidate(position, usual) for position in propose("random", space, [], count, seed=0)]
    full = [Candidate(PLAIN, Recipe()), *full]
    short = [short_of(candidate, usual) for candidate in full]
    gains, seconds = [], []
    for candidates, fold in ((short, 0), *((full, fold) for fold in range(len(folds)))):
        began = time.perf_counter()
        scores = np.array(scores_on(data, splits[fold], folds[fold].seed, candidates, usual))
        gains.append(scores[1:] - scores[0])
        seconds.append((time.perf_counter() - began) / len(candidates))
    truth = np.mean(gains[2:], axis=0)
    best = set(np.argsort(-truth)[:BEST])
    lines = []
    for what, own, time_of_fit in (("short", gains[0], seconds[0]), ("full", gains[1], seconds[1])):
        first = np.argsort(-own)[:FIRST]
        lines.append([
            name, what, f"{time_of_fit:.2f} s", f"{spearmanr(own, truth)[0]:.2f}", str(len(best & set(first))),
            f"{100 * truth[first].max():+.1f}",
        ])  # fmt: skip
    return lines


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Whether short fits rank recipes as full fits do.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--sets", nargs="*", default=["credit-g", "digits", "kc1", "vehicle"])
    parser.add_argument("--recipes", type=int, default=60)
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    print(cells.markdown([HEAD, *(row for name in options.sets for row in rows(name, options.recipes, options.data))]))


if __name__ == "__main__":
    main()
