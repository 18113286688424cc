"""How often the 95 % intervals of a study cover the true score, by simulation without training.

    python benchmarks/intervals.py [--repetitions 1000] [--markdown docs/study.md]

Two predictors with normal scores are drawn for every row; they share most of their errors. A study of five folds scores
both, one or three times with correlated errors. The true score is that of 200,000 rows. Groups share a part of their
errors (intraclass correlation 0.5).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tables
import torch

from goodfit.data import TaskSpec
from goodfit.recipe import Recipe
from goodfit.study import Fit, Protocol, Study
from goodfit.study.candidates import PLAIN, Candidate
from goodfit.study.definition import Definition
from goodfit.study.fits import Predictions
from goodfit.study.targets import Targets
from goodfit.train.config import Training

FOLDS, MANY, SHARED = 5, 200_000, 0.7
METRICS = ("accuracy", "balanced_accuracy", "f1_macro", "roc_auc", "log_loss")
SPEC = TaskSpec("classification", "y", ("a", "b"), (1,), 2, "simulated")
CANDIDATES = (Candidate(PLAIN, Recipe()), Candidate("other", Recipe.of("l2=0.1")))
GAINS = (1.5, 1.8)
"""The distance of the classes for the two predictors, in standard deviations of their scores."""


@dataclass(frozen=True)
class Setting:
    """A shape of data: rows, share of the second class, repeats, and groups (0: none)."""

    rows: int
    share: float
    repeats: int
    groups: int = 0

    def __str__(self) -> str:
        classes = "balanced" if self.share == 0.5 else f"1:{round(1 / self.share) - 1}"
        groups = f", {self.groups} groups" if self.groups else ""
        return f"{self.rows} rows, {classes}{groups}, {self.repeats} repeat{'s' * (self.repeats > 1)}"


SETTINGS = (
    Setting(40, 0.5, 1),
    Setting(40, 0.5, 3),
    Setting(200, 0.5, 1),
    Setting(200, 0.5, 3),
    Setting(200, 0.1, 3),
    Setting(1000, 0.05, 3),
    Setting(200, 0.5, 2, groups=6),
    Setting(200, 0.5, 2, groups=20),
    Setting(200, 0.5, 2, groups=60),
)
CAPTION = (
    "Share of {} simulated studies whose 95 % interval contains the true value, in %: of the score / of the paired "
    "difference of two predictors. Five folds; groups have an intraclass correlation of 0.5."
)


def draw(setting: Setting, rows: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Classes, groups, and the scores (predictor, repeat, row) of rows."""
    y = (rng.random(rows) < setting.share).astype(np.int64)
    y[: 2 * FOLDS] = np.arange(2 * FOLDS) % 2  # each fold has both classes
    groups = np.arange(rows) % (setting.groups or rows)
    common = rng.normal(size=rows)
    if setting.groups:
        common = (common + rng.normal(size=groups.max() + 1)[groups]) / np.sqrt(2)
    own = rng.normal(size=(len(GAINS), setting.repeats, rows))
    errors = np.sqrt(SHARED) * common + np.sqrt(1 - SHARED) * own
    return y, groups, np.array(GAINS)[:, None, None] * (y - 0.5) + errors


def study_of(setting: Setting, y: np.ndarray, groups: np.ndarray, scores: np.ndarray) -> Study:
    """A study whose fits have these scores as logits; groups stay in one fold."""
    rows, fold = len(y), (groups if setting.groups else np.arange(len(y)) // 2) % FOLDS
    fits = []
    for number, candidate in enumerate(CANDIDATES):
        for repeat in range(setting.repeats):
            for k in range(FOLDS):
                own = np.flatnonzero(fold == k)
                logits = torch.from_numpy(np.stack([np.zeros(len(own)), scores[number, repeat, own]], 1))
                fits.append(Fit(candidate, repeat, k, 0, SPEC, "accuracy",
                                {"validation": Predictions(torch.from_numpy(own), logits)}))  # fmt: skip
    definition = Definition("simulated", "", {"validation": rows // FOLDS}, SPEC, "", "", Training(), "accuracy", "",
                            Protocol(folds=FOLDS, repeats=setting.repeats), "", CANDIDATES)  # fmt: skip
    units = torch.from_numpy(groups)
    return Study(definition, Targets(torch.from_numpy(y), units, torch.empty(0), torch.empty(0)), fits)


def truth(setting: Setting, rng: np.random.Generator) -> dict[str, tuple[float, float]]:
    """The score of the first predictor and the difference of the second from it, for every metric."""
    wide = Setting(MANY, setting.share, 1)
    y, groups, scores = draw(wide, MANY, rng)
    study = study_of(wide, y, groups, scores)
    first = {name: study.estimate(PLAIN, name).mean for name in METRICS}
    return {name: (first[name], study.estimate("other", name).mean - first[name]) for name in METRICS}


def coverage(setting: Setting, repetitions: int) -> dict[str, tuple[float, float]]:
    """The shares of the intervals of scores and of differences that contain the truth."""
    rng = np.random.default_rng(0)
    true = truth(setting, rng)
    hits = {name: np.zeros(2) for name in METRICS}
    for _ in range(repetitions):
        study = study_of(setting, *draw(setting, setting.rows, rng))
        for name in METRICS:
            for i, estimate in enumerate((study.estimate(PLAIN, name), study.difference("other", name))):
                hits[name][i] += estimate.low <= true[name][i] <= estimate.high
    return {name: tuple(100 * hit / repetitions) for name, hit in hits.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Coverage of the intervals of a study.")
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--markdown", type=Path, help="file in which the table between the markers is replaced")
    options = parser.parse_args()
    torch.set_num_threads(1)
    header = [f"| data | {' | '.join(METRICS)} |", "|---" * (1 + len(METRICS)) + "|"]
    lines = [CAPTION.format(options.repetitions), "", *header]
    for setting in SETTINGS:
        shares = coverage(setting, options.repetitions).values()
        lines.append(f"| {setting} | {' | '.join(f'{score:.1f} / {difference:.1f}' for score, difference in shares)} |")
        print(lines[-1], flush=True)
    if options.markdown:
        tables.write(options.markdown, "coverage", "\n".join(lines), kind="intervals")


if __name__ == "__main__":
    main()
