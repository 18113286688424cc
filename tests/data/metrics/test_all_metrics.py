"""Metrics of many networks at once: bit-identical to one network at a time, and equal to scikit-learn."""

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn import metrics as sk

from goodfit.data import METRICS, metric
from goodfit.data.metrics import log_odds
from goodfit.errors import InputError

Tensor = torch.Tensor
CLASSES = [n for n, m in METRICS.items() if m.needs != "values"]
VALUES = [n for n, m in METRICS.items() if m.needs == "values"]


def expected_ranking(of: Callable[..., float], y: np.ndarray, logits: Tensor) -> float:
    odds, present = log_odds(logits), np.unique(y)
    if len(present) < 2:
        return math.nan
    classes = [1] if odds.shape[1] == 2 else present
    return float(np.mean([of(y == c, odds[:, c]) for c in classes]))


def expected_calibration_error(y: np.ndarray, p: np.ndarray) -> float:
    confidence, correct = p.max(1), p.argmax(1) == y
    error = 0.0
    for low, high in pairwise(np.linspace(0, 1, 16)):
        rows = (low < confidence) & (confidence <= high)
        if rows.any():
            error += rows.mean() * abs(confidence[rows].mean() - correct[rows].mean())
    return float(error)


def expected_value(name: str, y: np.ndarray, f: np.ndarray) -> float:
    if name == "r2":
        return sk.r2_score(y, f) if len(y) > 1 else math.nan
    if name.startswith("pinball_"):
        return sk.mean_pinball_loss(y, f, alpha=float(name.removeprefix("pinball_")))
    return {"rmse": sk.root_mean_squared_error, "mae": sk.mean_absolute_error}[name](y, f)


def expected_score(name: str, outputs: Tensor, targets: Tensor) -> float:
    """The score computed by scikit-learn from the outputs (rows, classes or 1) of one network."""
    if name in VALUES:
        return float(expected_value(name, targets.double().reshape(-1).numpy(), outputs.double().reshape(-1).numpy()))
    y, two = targets.numpy(), outputs.double()
    two = torch.cat([torch.zeros_like(two), two], 1) if two.shape[1] == 1 else two
    hit, p = two.numpy().argmax(1), two.softmax(1).numpy()
    all_classes = np.arange(p.shape[1])
    expected = {
        "accuracy": lambda: sk.accuracy_score(y, hit),
        "balanced_accuracy": lambda: sk.recall_score(y, hit, labels=np.unique(y), average="macro", zero_division=0),
        "f1_macro": lambda: sk.f1_score(y, hit, average="macro", zero_division=0),
        "iou": lambda: sk.jaccard_score(y, hit, average="macro", zero_division=0),
        "roc_auc": lambda: expected_ranking(sk.roc_auc_score, y, two),
        "average_precision": lambda: expected_ranking(sk.average_precision_score, y, two),
        "log_loss": lambda: sk.log_loss(y, p, labels=all_classes),
        "brier_score": lambda: sk.brier_score_loss(y, p, labels=all_classes),
        "calibration_error": lambda: expected_calibration_error(y, p),
    }
    return float(expected[name]())


def close(scores: list[float], expected: list[float]) -> None:
    assert np.allclose(scores, expected, rtol=1e-12, atol=1e-12, equal_nan=True), (scores, expected)


def equal(scores: list[float], expected: list[float]) -> None:
    """Bit-identical; NaN equals NaN."""
    assert np.array_equal(scores, expected, equal_nan=True), (scores, expected)


def logits(members: int, rows: int, classes: int, *, ties: bool = False, dtype: torch.dtype = torch.float32) -> Tensor:
    drawn = torch.randn(members, rows, classes, generator=torch.Generator().manual_seed(rows + classes), dtype=dtype)
    return (drawn * 2).round() if ties else drawn * 3


def labels(rows: int, classes: int, seed: int = 1) -> Tensor:
    return torch.randint(0, classes, (rows,), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("classes", [1, 2, 3, 11])
def test_classification_of_each_member(name: str, dtype: torch.dtype, ties: bool, classes: int) -> None:
    of, y = logits(5, 301, classes, ties=ties, dtype=dtype), labels(301, max(2, classes))
    scores = metric(name).each(of, y)
    equal(scores, [metric(name)(o, y) for o in of])
    close(scores, [expected_score(name, o, y) for o in of])


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize(
    "y",
    [
        pytest.param(labels(40, 3), id="the last class absent"),
        pytest.param(labels(40, 2) * 3, id="classes between absent"),
        pytest.param(torch.full((40,), 2), id="one class"),
        pytest.param(torch.arange(40) // 39, id="one row of a class"),
        pytest.param(torch.tensor([3]), id="one row"),
    ],
)
def test_absent_classes(name: str, y: Tensor) -> None:
    of = logits(4, len(y), 4)
    of[1] = -of[0]
    of[2] = 0  # all rows are predicted as class 0
    of[3] = 80 * torch.nn.functional.one_hot(3 - y, 4)  # confident and mostly wrong
    scores = metric(name).each(of, y)
    equal(scores, [metric(name)(o, y) for o in of])
    close(scores, [expected_score(name, o, y) for o in of])


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "y",
    [
        pytest.param(torch.randn(333, 1, generator=torch.Generator().manual_seed(1)) + 1000, id="far from 0"),
        pytest.param(torch.full((20, 1), 0.5), id="constant"),
        pytest.param(torch.tensor([[2.0]]), id="one row"),
    ],
)
def test_regression_of_each_member(name: str, dtype: torch.dtype, y: Tensor) -> None:
    of = y.to(dtype) + logits(4, len(y), 1, dtype=dtype)
    of[1] = y  # every target is predicted exactly
    scores = metric(name).each(of, y)
    equal(scores, [metric(name)(o, y) for o in of])
    close(scores, [expected_score(name, o, y) for o in of])


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("rows", [3, 50])  # 3: the number of members
def test_shapes_of_one_value_agree(name: str, rows: int) -> None:
    numbers = name in VALUES
    of, y = logits(3, rows, 1), torch.linspace(0, 1, rows)[:, None] if numbers else labels(rows, 2)
    scores = metric(name).each(of, y)
    equal(metric(name).each(of[..., 0], y), scores)
    if numbers:
        equal(metric(name).each(of, y[:, 0]), scores)
        equal(metric(name).each(of[..., 0], y.expand(3, rows, 1)), scores)
        equal(metric(name).each(of, y[:, 0].expand(3, rows)), scores)


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("rows", [1, 3, 60])  # 3: the number of members
def test_members_with_separate_targets(name: str, rows: int) -> None:
    numbers = name in VALUES
    of = logits(3, rows, 1 if numbers else 4)
    y = logits(3, rows, 2)[..., :1] if numbers else torch.stack([labels(rows, 4 - k, seed=k) for k in range(3)])
    equal(metric(name).each(of, y), [metric(name)(o, t) for o, t in zip(of, y, strict=True)])


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_member_that_is_not_finite_is_nan(name: str, dtype: torch.dtype, bad: float) -> None:
    numbers = name in VALUES
    of = logits(4, 30, 1 if numbers else 3, dtype=dtype)
    y = of[0] + 1 if numbers else labels(30, 3)
    whole = metric(name).each(of, y)
    of[1, 4, 0] = of[3, 0, -1] = bad
    scores = metric(name).each(of, y)
    assert np.isnan(scores).tolist() == [False, True, False, True]
    assert math.isnan(metric(name)(of[1], y))
    equal(scores[::2], whole[::2])


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("name", METRICS)
def test_memory_layout_and_other_members_do_not_matter(name: str) -> None:
    """Enough rows that torch would sum those of one member in two threads; the axis of members first or last."""
    numbers, rows = name in VALUES, 70_001
    of = logits(3, rows, 1 if numbers else 11, dtype=torch.float64)
    y = torch.randn(rows, 1, generator=torch.Generator().manual_seed(2)) if numbers else labels(rows, 11)
    scores = metric(name).each(of, y)
    equal(scores, [metric(name)(o, y) for o in of])
    equal(scores, metric(name).each(members_last(of), y))
    equal(scores, metric(name).each(of, members_last(y.expand(3, *y.shape))))


def members_last(values: Tensor) -> Tensor:
    """The same values, with the axis of members last in memory."""
    return values.movedim(0, -1).contiguous().movedim(-1, 0)


@pytest.mark.parametrize("name", METRICS)
def test_outputs_with_gradients_and_low_precision(name: str) -> None:
    numbers = name in VALUES
    of = logits(2, 20, 1 if numbers else 3).bfloat16().requires_grad_()
    y = torch.linspace(0, 1, 20)[:, None] if numbers else labels(20, 3)
    close(metric(name).each(of, y), [expected_score(name, o, y) for o in of.detach()])


def test_log_loss_of_a_row_is_bounded() -> None:
    eps = float(np.finfo(np.float64).eps)
    assert metric("log_loss")(torch.tensor([[0.0, 500.0]]), torch.tensor([0])) == pytest.approx(-math.log(eps))


def test_an_overflowing_error_is_infinite() -> None:
    far = torch.tensor([[1e300, 0.0], [1.0, 0.0]], dtype=torch.float64)
    assert metric("rmse").each(far, torch.zeros(2)) == [math.inf, math.sqrt(0.5)]


def test_auc_by_hand() -> None:
    y = torch.tensor([0, 1, 0, 1])
    #           pairs in order: 1 of 4     all tied        3 of 4 and a tie    all
    scores = [[1.0, 2.0, 3.0, 0.5], [1.0, 1.0, 1.0, 1.0], [0.0, 1.0, 1.0, 2.0], [0.0, 5.0, 1.0, 2.0]]
    assert metric("roc_auc").each(torch.tensor(scores), y) == [0.25, 0.5, 0.875, 1.0]


@pytest.mark.parametrize(
    ("name", "outputs", "targets", "rule"),
    [
        ("accuracy", (5, 3, 2), torch.zeros(2, dtype=torch.long), "do not fit"),
        ("accuracy", (5, 3, 2), torch.zeros(4, 3, dtype=torch.long), "do not fit"),
        ("accuracy", (5, 0, 2), torch.zeros(0, dtype=torch.long), "do not fit"),
        ("accuracy", (0, 3, 2), torch.zeros(3, dtype=torch.long), "do not fit"),
        ("accuracy", (3,), torch.zeros(3, dtype=torch.long), "do not fit"),
        ("accuracy", (5, 3, 2, 2), torch.zeros(3, dtype=torch.long), "do not fit"),
        ("accuracy", (5, 3, 2), torch.zeros(3, 1, dtype=torch.long), "must be class indices of shape"),
        ("log_loss", (5, 3, 2), torch.zeros(3), "must be class indices of shape"),
        ("f1_macro", (5, 3, 2), torch.tensor([0, 1, 2]), "must be in .0, 1. for outputs of 2 classes, got 0…2"),
        ("f1_macro", (5, 3, 1), torch.tensor([0, 1, 2]), "must be in .0, 1. for outputs of 2 classes, got 0…2"),
        ("f1_macro", (5, 3), torch.tensor([0, -1, 1]), "must be in .0, 1. for outputs of 2 classes, got -1…1"),
        ("r2", (5, 3, 2), torch.zeros(3), "one value for each row"),
        ("r2", (5, 3, 1), torch.zeros(3, 2), "one value for each row"),
        ("mae", (5, 3, 1), torch.tensor([0.0, math.nan, 1.0]), "targets must be finite"),
        ("rmse", (5, 3, 1), torch.tensor([0.0, math.inf, 1.0]), "targets must be finite"),
    ],
)
def test_invalid_shapes_and_values(name: str, outputs: tuple[int, ...], targets: Tensor, rule: str) -> None:
    with pytest.raises(InputError, match=f"^{name}: .*{rule}"):
        metric(name).each(torch.zeros(outputs), targets)


@pytest.mark.parametrize("name", METRICS)
def test_errors_are_the_same_for_one_and_several_members(name: str) -> None:
    of, y = torch.zeros(4, 3, 2), torch.zeros(7)
    with pytest.raises(InputError) as alone:
        metric(name)(of[0], y)
    with pytest.raises(InputError) as among:
        metric(name).each(of, y)
    assert str(alone.value) == str(among.value)
