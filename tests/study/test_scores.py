"""Scores of stored predictions, compared with the metrics of scikit-learn and with brute force."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from sklearn import metrics as sk

from goodfit.data import TaskSpec, metric
from goodfit.data.metrics import mask_counts
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.study.candidates import Candidate
from goodfit.study.fits import Fit, Predictions
from goodfit.study.scores import CALIBRATED, REPORTED, Scorer, base_metric, check_task_metric, pools
from goodfit.study.targets import Targets

ROWS, STOP = 40, 30
CLASSES = TaskSpec("classification", "y", ("a", "b", "c"), (4,), 3, "hand")
NUMBERS = TaskSpec("regression", "y", (), (4,), 1, "hand")
MASKS = TaskSpec("segmentation", "y", ("a", "b"), (1, 4, 4), 2, "hand")
PLAIN = Candidate("plain", Recipe())


def fit_of(spec: TaskSpec, outputs: torch.Tensor, stop: torch.Tensor | None = None, **changes: Any) -> Fit:
    """A fit whose validation rows are the first ones of the data, in another order, and whose stop rows follow."""
    order = torch.randperm(len(outputs), generator=torch.Generator().manual_seed(1))
    predictions = {"validation": Predictions(order, outputs[order])}
    if stop is not None:
        predictions["stop"] = Predictions(torch.arange(len(outputs), len(outputs) + len(stop)), stop)
    return Fit(PLAIN, 0, 0, 0, spec, "accuracy", predictions, **changes)


def targets(y: torch.Tensor, test_y: torch.Tensor | None = None) -> Targets:
    test = torch.empty(0, dtype=y.dtype) if test_y is None else test_y
    return Targets(y, torch.arange(len(y)), test, torch.arange(len(test)))


@pytest.fixture(scope="module")
def classified() -> tuple[Fit, Targets, np.ndarray, np.ndarray]:
    """A fit of three classes and its targets; of the validation rows: targets and probabilities."""
    draw = torch.Generator().manual_seed(0)
    y = torch.randint(0, 3, (ROWS + STOP,), generator=draw)
    logits = 3 * torch.randn(ROWS + STOP, 3, generator=draw) + 2 * torch.nn.functional.one_hot(y, 3)
    fit = fit_of(CLASSES, logits[:ROWS], logits[ROWS:])
    return fit, targets(y), y[:ROWS].numpy(), logits[:ROWS].double().softmax(1).numpy()


def calibration_error(y: np.ndarray, p: np.ndarray) -> float:
    """The mean distance of confidence and accuracy over 15 equal intervals of the confidence, by loops."""
    confidence, hit = p.max(1), p.argmax(1) == y
    bins = np.minimum(np.ceil(confidence * 15).astype(int) - 1, 14)
    parts = [(bins == b).mean() * abs(confidence[bins == b].mean() - hit[bins == b].mean()) for b in set(bins)]
    return float(sum(parts))


def average_precision(y: np.ndarray, p: np.ndarray) -> float:
    return float(np.mean([sk.average_precision_score(y == c, p[:, c]) for c in range(3)]))


DIRECT: dict[str, Callable[[np.ndarray, np.ndarray], float]] = {
    "accuracy": lambda y, p: sk.accuracy_score(y, p.argmax(1)),
    "balanced_accuracy": lambda y, p: sk.balanced_accuracy_score(y, p.argmax(1)),
    "f1_macro": lambda y, p: sk.f1_score(y, p.argmax(1), average="macro"),
    "roc_auc": lambda y, p: sk.roc_auc_score(y, p, multi_class="ovr", average="macro"),
    "average_precision": average_precision,
    "log_loss": lambda y, p: sk.log_loss(y, p),
    "brier_score": lambda y, p: float(((p - np.eye(3)[y]) ** 2).sum(1).mean()),
    "calibration_error": calibration_error,
    "rmse": lambda y, f: sk.root_mean_squared_error(y, f),
    "mae": lambda y, f: sk.mean_absolute_error(y, f),
    "r2": lambda y, f: sk.r2_score(y, f),
    "pinball_0.1": lambda y, f: sk.mean_pinball_loss(y, f, alpha=0.1),
    "pinball_0.9": lambda y, f: sk.mean_pinball_loss(y, f, alpha=0.9),
}


@pytest.mark.parametrize("name", [n for n in REPORTED["classification"] if n != CALIBRATED])
def test_metrics_of_classes(classified: tuple[Fit, Targets, np.ndarray, np.ndarray], name: str) -> None:
    fit, known, y, p = classified
    expected = DIRECT[name](y, p)
    assert Scorer(known).value(fit, name, "validation") == pytest.approx(expected, rel=1e-6)
    assert Scorer(known).score((fit,), name, "validation").value == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("name", REPORTED["regression"])
def test_metrics_of_numbers(name: str) -> None:
    draw = np.random.default_rng(0)
    y, outputs = draw.normal(size=ROWS), draw.normal(size=ROWS)
    fit = fit_of(NUMBERS, torch.from_numpy(outputs)[:, None])
    score = Scorer(targets(torch.from_numpy(y))).value(fit, name, "validation")
    assert score == pytest.approx(DIRECT[name](y, outputs), rel=1e-9)


@pytest.fixture(scope="module")
def masked() -> tuple[Fit, Targets, torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(0)
    y, predicted = (torch.randint(0, 2, (12, 4, 4), generator=draw) for _ in range(2))
    counts = torch.from_numpy(mask_counts(predicted, y, 2))
    fit = Fit(PLAIN, 0, 0, 0, MASKS, "iou", {"validation": Predictions(torch.arange(12), counts)})
    return fit, Targets(torch.empty(0), torch.arange(12), torch.empty(0), torch.arange(0)), y, predicted


@pytest.mark.parametrize("name", REPORTED["segmentation"])
def test_metrics_of_masks(masked: tuple[Fit, Targets, torch.Tensor, torch.Tensor], name: str) -> None:
    fit, known, y, predicted = masked
    score = Scorer(known).score((fit,), name, "validation")
    assert score.value == pytest.approx(metric(name).of_classes(predicted, y, 2))
    for image in range(12):
        others = torch.arange(12) != image
        without = metric(name).of_classes(predicted[others], y[others], 2)
        assert score.influence[image] == pytest.approx(11 / 12 * (score.value - without), abs=1e-12)


@pytest.mark.parametrize("name", [*REPORTED["classification"], *REPORTED["regression"]])
def test_the_influence_of_a_row_is_that_of_leaving_it_out(
    classified: tuple[Fit, Targets, np.ndarray, np.ndarray], name: str
) -> None:
    fit, known, *_ = classified
    if name in REPORTED["regression"]:
        draw = torch.Generator().manual_seed(2)
        fit = fit_of(NUMBERS, torch.randn(ROWS, 1, generator=draw, dtype=torch.float64))
        known = targets(torch.randn(ROWS, generator=draw, dtype=torch.float64))
    scorer = Scorer(known)
    score, own = scorer.score((fit,), name, "validation"), fit.predictions["validation"]
    assert score.units.tolist() == own.rows.tolist()
    for row in range(ROWS):
        others = torch.arange(ROWS) != row
        less = Predictions(own.rows[others], own.outputs[others])
        without = dataclasses.replace(fit, predictions=dict(fit.predictions) | {"validation": less})
        expected = (1 - 1 / ROWS) * (score.value - scorer.value(without, name, "validation"))
        assert score.influence[row] == pytest.approx(expected, abs=1e-9)


def test_influences_of_a_mean_add_up_to_nothing(classified: tuple[Fit, Targets, np.ndarray, np.ndarray]) -> None:
    fit, known, *_ = classified
    for name in ("accuracy", "log_loss", "brier_score"):
        assert Scorer(known).score((fit,), name, "validation").influence.sum() == pytest.approx(0.0, abs=1e-12)


def test_the_calibrated_log_loss_uses_the_temperature_of_the_stop_rows(
    classified: tuple[Fit, Targets, np.ndarray, np.ndarray],
) -> None:
    fit, known, y, _ = classified
    stop_y, stop = known.y[ROWS:].numpy(), fit.predictions["stop"].outputs.double()

    def stop_loss(log_temperature: float) -> float:
        return float(sk.log_loss(stop_y, (stop / math.exp(log_temperature)).softmax(1).numpy()))

    best = math.exp(minimize_scalar(stop_loss, bounds=(-4, 4), method="bounded", options={"xatol": 1e-9}).x)
    scorer = Scorer(known)
    assert scorer.temperature(fit) == pytest.approx(best, rel=1e-4)
    assert best > 1.1  # the logits are too large
    own = fit.predictions["validation"]
    outputs = own.outputs[own.rows.argsort()].double()
    expected = sk.log_loss(y, (outputs / best).softmax(1).numpy())
    assert scorer.value(fit, CALIBRATED, "validation") == pytest.approx(expected, rel=1e-5)
    assert scorer.value(fit, CALIBRATED, "validation") != scorer.value(fit, "log_loss", "validation")


def test_the_test_part_has_targets_of_its_own(classified: tuple[Fit, Targets, np.ndarray, np.ndarray]) -> None:
    fit, known, *_ = classified
    rows = torch.arange(4)
    test = Predictions(rows, torch.eye(3)[[0, 1, 2, 2]])
    tested = dataclasses.replace(fit, predictions=dict(fit.predictions) | {"test": test})
    scorer = Scorer(targets(known.y, torch.tensor([0, 1, 2, 0])))
    assert scorer.value(tested, "accuracy", "test") == 0.75
    assert scorer.score((tested,), "accuracy", "test").units.tolist() == [0, 1, 2, 3]


def test_what_is_not_defined_is_nan(classified: tuple[Fit, Targets, np.ndarray, np.ndarray]) -> None:
    fit, known, *_ = classified
    one_class = Scorer(targets(torch.zeros_like(known.y)))
    broken = fit_of(CLASSES, torch.full((ROWS, 3), math.nan), torch.zeros(STOP, 3))
    failed = Fit(PLAIN, 0, 0, 0, CLASSES, "accuracy", failure="it diverged")
    for scorer, each, name in ((one_class, fit, "roc_auc"), (Scorer(known), broken, "log_loss")):
        score = scorer.score((each,), name, "validation")
        assert math.isnan(score.value)
        assert len(score.influence) == len(score.units) == 0
        assert math.isnan(scorer.value(each, name, "validation"))
    for name in ("accuracy", CALIBRATED):
        assert math.isnan(Scorer(known).value(failed, name, "validation"))
    assert [Scorer(known).is_usable(each) for each in (fit, broken, failed)] == [True, False, False]


def test_the_fits_of_a_repeat_are_scored_together_unless_the_metric_is_one_of_order() -> None:
    fits = [Fit(PLAIN, repeat, fold, 0, CLASSES, "accuracy") for repeat in range(2) for fold in range(3)]
    assert pools(fits, "log_loss", "validation") == [tuple(fits[:3]), tuple(fits[3:])]
    for name, part in (("roc_auc", "validation"), ("average_precision", "validation"), ("log_loss", "test")):
        assert pools(fits, name, part) == [(fit,) for fit in fits]


def test_each_score_is_computed_once(
    classified: tuple[Fit, Targets, np.ndarray, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, known, *_ = classified
    scorer, calls = Scorer(known), []
    real = Scorer._value
    monkeypatch.setattr(Scorer, "_value", lambda *a: calls.append(a[2]) or real(*a))
    for name in ("accuracy", "log_loss", "accuracy"):
        scorer.value(fit, name, "validation")
        scorer.score((fit,), name, "validation")
    assert calls == ["accuracy"] * 2 + ["log_loss"] * 2  # alone, and with its influences
    assert scorer.score((fit,), "accuracy", "validation") is scorer.score((fit,), "accuracy", "validation")


@pytest.mark.parametrize(
    ("spec", "names"), [(CLASSES, "classification"), (NUMBERS, "regression"), (MASKS, "segmentation")]
)
def test_reported_metrics_fit_their_task(spec: TaskSpec, names: Any) -> None:
    for task, reported in REPORTED.items():
        for name in reported:
            if task == names:
                check_task_metric(name, spec)
            elif base_metric(name).needs in ("values", "scores"):
                with pytest.raises(InputError, match=f"metric: it must be one for {names}, got '{name}', which needs"):
                    check_task_metric(name, spec)


def test_the_calibrated_log_loss_is_a_loss() -> None:
    assert base_metric(CALIBRATED).name == "log_loss"
    assert not base_metric(CALIBRATED).higher_is_better
    with pytest.raises(InputError, match="there is no 'acuracy'"):
        check_task_metric("acuracy", CLASSES)
