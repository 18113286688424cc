"""Small generated data and networks for the tests; they come from `goodfit.testing`."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from goodfit import progress
from goodfit.data import Inputs, Split, TaskSpec
from goodfit.recipe import Recipe
from goodfit.study import Fit, Protocol, Study
from goodfit.study.candidates import PLAIN, Candidate
from goodfit.study.definition import Definition
from goodfit.study.fits import Predictions
from goodfit.study.targets import Targets
from goodfit.testing import data, setups
from goodfit.train.config import Training
from goodfit.train.stages.augmentation import BatchAugmenter
from goodfit.train.stages.hooks import StepContext

os.environ["GOODFIT_PRODUCTS"] = "torch"  # no measurement of the processor; tests/kernels tests the other choice
progress.INTERVAL = 3600.0  # commands print nothing but their results, however slow the machine is
os.environ["KERAS_BACKEND"] = "torch"  # must be set before anything imports Keras


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Networks this small are slower on two threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session", autouse=True)
def _no_fsync() -> Iterator[None]:
    """Waiting for the disk takes half the time of many tests; no test cuts the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def _stat(process: int | str) -> list[str]:
    """The state, the parent, … of a process on Linux; empty if there is none."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


@pytest.fixture
def children_of() -> Callable[[int], list[int]]:
    """The processes that a process has started and that still run, and theirs in turn (Linux)."""

    def find(parent: int) -> list[int]:
        numbers = [path.name for path in Path("/proc").iterdir() if path.name.isdigit()]
        own = [int(n) for n in numbers if (stat := _stat(n)) and int(stat[1]) == parent and stat[0] not in "ZX"]
        return own + [process for child in own for process in find(child)]

    return find


@pytest.fixture
def wait_for_end() -> Callable[[Sequence[int]], None]:
    """Wait until processes have ended; after half a minute, kill them and fail."""

    def wait(processes: Sequence[int], seconds: float = 30) -> None:
        end = time.monotonic() + seconds
        while left := [process for process in processes if (_stat(process) or "X")[0] not in "ZX"]:
            if time.monotonic() > end:
                for process in left:
                    os.kill(process, signal.SIGKILL)
                pytest.fail(f"processes {left} still run")
            time.sleep(0.02)

    return wait


@pytest.fixture(scope="session")
def three_class_split() -> Split:
    """Three noisy classes; 96 training rows of 6 features."""
    return data.make_classification(3)


@pytest.fixture(scope="session")
def two_class_split() -> Split:
    """Two noisy classes; 96 training rows of 6 features."""
    return data.make_classification(2)


@pytest.fixture(scope="session")
def regression_split() -> Split:
    """A regression; 96 training rows of 6 features."""
    return data.make_regression()


@pytest.fixture(scope="session")
def image_split() -> Split:
    """Colour images of three classes; 96 training rows of 3 × 8 × 8."""
    return data.make_images()


@pytest.fixture(scope="session")
def video_split() -> Split:
    """Videos of three classes; 96 training rows of 1 × 6 × 8 × 8."""
    return data.make_videos()


@pytest.fixture(scope="session")
def sound_split() -> Split:
    """Sounds of three classes; 96 training rows of 1 × 256."""
    return data.make_sounds()


@pytest.fixture(scope="session")
def series_split() -> Split:
    """Series of three classes; 96 training rows of 2 × 24."""
    return data.make_series()


@pytest.fixture(scope="session")
def text_split() -> Split:
    """Texts of three classes; 96 training rows of up to ten words."""
    return data.make_texts()


@pytest.fixture(scope="session")
def to_double() -> Callable[[Split], Split]:
    """The function that converts a split to double precision."""
    return data.to_double


@pytest.fixture(scope="session")
def make_net() -> Callable[..., nn.Sequential]:
    """The function that builds a small network from a seed; `gain` multiplies its initial weights."""
    return setups.make_net


@pytest.fixture
def augment() -> Callable[..., Tensor]:
    """The function that applies the augmentations of a recipe to samples x (batch, …), from a seed."""

    def apply(
        recipe: Any,
        x: Tensor,
        y: Tensor | None = None,
        *,
        seed: int = 0,
        inputs: Inputs | None = None,
        classes: Sequence[str] = (),
    ) -> Tensor:
        source = StepContext(torch.Generator().manual_seed(seed))
        augmenter = BatchAugmenter(Recipe.of(recipe), source, inputs or Inputs("image"), classes)
        y = torch.zeros(len(x)) if y is None else y
        augmenter.check(x, y)
        return augmenter(x, y)[0]

    return apply


# ---- studies built from scores ----------------------------------------------------------------------

SPEC = TaskSpec("classification", "y", ("a", "b"), (4,), 2, "hand")
NUMBERS = TaskSpec("regression", "y", (), (4,), 1, "hand")
ROWS = 20
"""Rows of a fold."""


def outputs_with(score: float, rows: int) -> torch.Tensor:
    """Logits whose accuracy on rows of class 0 is a score: the first rows are right."""
    right = torch.arange(rows) < round(score * rows)
    return torch.where(right[:, None], torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0]))


def fit_with(text: str, score: float | None, fold: int, metric: str, rows: int) -> Fit:
    """A fit on rows of a fold with a score; None: it failed."""
    candidate, spec = Candidate(text or PLAIN, Recipe.of(text)), SPEC if metric == "accuracy" else NUMBERS
    if score is None:
        return Fit(candidate, 0, fold, fold, spec, metric, failure="it diverged")
    outputs = outputs_with(score, rows) if metric == "accuracy" else torch.full((rows, 1), score, dtype=torch.float64)
    own = Predictions(torch.arange(fold * rows, (fold + 1) * rows), outputs)
    predictions = {"stop": own, "validation": own, "test": Predictions(torch.arange(rows), outputs)}
    return Fit(candidate, 0, fold, fold, spec, metric, predictions, seconds=1.0 + fold)


@pytest.fixture
def make_study() -> Callable[..., Study]:
    """Build a study from the scores of each recipe (None: a failed fit), one per fold of 20 rows.

    The metric is accuracy, or rmse with all targets 0.
    """

    def make(scores: Mapping[str, Sequence[float | None]], metric: str = "accuracy", rows: int = ROWS) -> Study:
        folds = max(map(len, scores.values()))
        fits = [
            fit_with(text, value, fold, metric, rows)
            for text, values in scores.items()
            for fold, value in enumerate(values)
        ]
        candidates = tuple(dict.fromkeys(fit.candidate for fit in fits))
        counts = {"train": 100, "stop": rows, "validation": rows, "test": rows}
        definition = Definition(
            "hand", "0", counts, fits[0].spec, "mlp", "", Training(), metric, "", Protocol(folds=folds, repeats=1),
            f"{folds} folds", candidates,
        )  # fmt: skip
        y = torch.zeros(folds * rows, dtype=torch.int64 if metric == "accuracy" else torch.float64)
        targets = Targets(y, torch.arange(len(y)), y[:rows], torch.arange(rows))
        return Study(definition, targets, fits)

    return make
