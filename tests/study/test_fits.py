"""What a training leaves behind."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from goodfit.data import Dataset, load
from goodfit.diagnosis import diagnose
from goodfit.recipe import Recipe
from goodfit.study import Protocol
from goodfit.study.candidates import Candidate
from goodfit.study.design import Fold, design
from goodfit.study.fits import PARTS, failed_fit, fit_of
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.run import Run

L2 = Candidate("small weights", Recipe.of("l2=0.01"))
TWO = Protocol(folds=2, repeats=1)


def trained(data: Dataset, network: str, training: Training) -> tuple[Fold, Run]:
    fold = design(TWO, data).folds[1]
    return fold, fit(network, fold.split(), L2.recipe, training, seed=fold.seed, progress=False)


@pytest.fixture(scope="module")
def iris_run(iris: Dataset, quick: Training) -> tuple[Fold, Run]:
    return trained(iris, "mlp:8", quick)


def masks(rows: int = 30) -> Dataset:
    draw = np.random.default_rng(0)
    return load((draw.integers(0, 255, (rows, 8, 8)).astype(np.uint8), draw.integers(0, 3, (rows, 8, 8), np.uint8)))


def test_the_outputs_of_each_part_are_those_of_the_network(iris_run: tuple[Fold, Run]) -> None:
    fold, run = iris_run
    split = fold.split()
    result = fit_of(L2, fold, run, split)
    assert set(result.predictions) == set(PARTS)
    for part in PARTS:
        own = result.predictions[part]
        assert own.rows.tolist() == split.parts[part].rows.tolist()
        assert torch.equal(own.outputs, run.outputs(split.parts[part].x))
        assert (own.outputs.dtype, own.rows.dtype) == (torch.float32, torch.int64)


def test_a_fit_describes_its_run(iris_run: tuple[Fold, Run]) -> None:
    fold, run = iris_run
    split = fold.split()
    result = fit_of(L2, fold, run, split)
    assert (result.label, result.key, result.seed) == ("small weights", (0, 1), 1)
    assert (result.repeat, result.fold, result.metric) == (0, 1, "accuracy")
    assert result.history is run.history
    assert (result.kept_epoch, result.best_epoch, result.stopped) == (run.kept_epoch, run.best_epoch, run.stopped)
    assert result.metadata == run.metadata
    loss = nn.functional.cross_entropy(run.outputs(split.validation.x), split.validation.y)
    assert result.loss == pytest.approx(float(loss), rel=1e-6)
    assert result.seconds == sum(run.history["seconds"]) > 0
    assert result.failure == ""


def test_the_verdict_and_the_gap_are_those_of_the_run(iris_run: tuple[Fold, Run]) -> None:
    fold, run = iris_run
    result = fit_of(L2, fold, run, fold.split())
    assert result.verdict == diagnose(run)
    assert result.gap == run.row["train_accuracy"] - run.row["stop_accuracy"]


def test_the_users_loss_is_the_loss(iris_run: tuple[Fold, Run]) -> None:
    fold, run = iris_run
    split = fold.split()

    def doubled(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return 2 * nn.functional.cross_entropy(output, y, reduction="none")

    assert fit_of(L2, fold, run, split, doubled).loss == pytest.approx(2 * fit_of(L2, fold, run, split).loss)


def test_values_of_regression_are_in_the_unit_of_the_target() -> None:
    data = load("diabetes")
    fold, run = trained(data, "mlp:8", Training(epochs=8, learning_rate=0.01))
    split = fold.split()
    result = fit_of(L2, fold, run, split)
    for part in PARTS:
        own = result.predictions[part]
        assert own.outputs.shape == (len(split.parts[part]), 1)
        assert own.outputs.dtype == torch.float64
        assert own.outputs.flatten().tolist() == pytest.approx(run.predict(split.parts[part].x))
    stop = result.predictions["stop"]
    explained = 1 - ((data.y[stop.rows] - stop.outputs.flatten().numpy()) ** 2).mean() / data.y[stop.rows].var()
    assert explained == pytest.approx(run.row["stop_r2"], rel=1e-4)
    standardized = run.outputs(split.validation.x)
    assert result.loss == pytest.approx(float(((standardized - split.validation.y) ** 2).mean()), rel=1e-5)


def test_masks_are_kept_as_counts_of_pixels() -> None:
    data = masks()
    fold, run = trained(data, "unet:4", Training(epochs=1, batch_size=8))
    split = fold.split()
    result = fit_of(L2, fold, run, split)
    for part in PARTS:
        own, y = result.predictions[part], split.parts[part].y.numpy()
        predicted = run.predict(split.parts[part].x)
        assert own.outputs.shape == (len(y), 3, 3)
        for image, counts in enumerate(own.outputs.tolist()):
            pixels = [[int((m == c).sum()) for c in range(3)] for m in (y[image], predicted[image])]
            both = [int(((y[image] == c) & (predicted[image] == c)).sum()) for c in range(3)]
            assert counts == [*pixels, both]
    assert math.isfinite(result.loss)


def test_two_classes_may_have_one_logit() -> None:
    data = load("breast_cancer")
    fold = design(TWO, data).folds[0]
    run = fit(nn.Linear(30, 1), fold.split(), "", Training(epochs=1), progress=False)
    assert fit_of(L2, fold, run, fold.split()).predictions["test"].outputs.shape == (len(fold.split().test), 1)


def test_a_failed_fit_has_its_reason_and_nothing_else(iris: Dataset) -> None:
    fold = design(TWO, iris).folds[1]
    result = failed_fit(L2, fold, fold.split().spec, "accuracy", "it diverged")
    assert (result.failure, result.key, result.seed) == ("it diverged", (0, 1), 1)
    assert (result.predictions, result.verdict) == ({}, None)
    assert all(math.isnan(value) for value in (result.loss, result.seconds, result.gap))
