"""The score without each row, against deleting each row and computing the metric."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.data import METRICS, Metric, metric
from goodfit.data.metrics import leave_one_out
from goodfit.errors import InputError

Tensor = torch.Tensor
CLASSES = [n for n, m in METRICS.items() if m.needs != "values"]
VALUES = [*(n for n, m in METRICS.items() if m.needs == "values"), "pinball_0.25"]


def without_each(of: Metric, outputs: Tensor, targets: Tensor) -> list[float]:
    rows = torch.arange(len(targets))
    return [of(outputs[rows != row], targets[rows != row]) if len(rows) > 1 else np.nan for row in rows]


def check(name: str, outputs: Tensor, targets: Tensor) -> np.ndarray:
    scores, expected = leave_one_out(metric(name), outputs, targets), without_each(metric(name), outputs, targets)
    assert scores.dtype == np.float64
    assert scores.shape == (len(targets),)
    assert np.allclose(scores, expected, rtol=1e-12, atol=1e-12, equal_nan=True), (scores, expected)
    return scores


def logits(rows: int, classes: int, *, ties: bool = False) -> Tensor:
    drawn = torch.randn(rows, classes, generator=torch.Generator().manual_seed(rows + classes), dtype=torch.float64)
    return (drawn * 2).round() if ties else drawn * 3


def labels(rows: int, classes: int) -> Tensor:
    return torch.randint(0, classes, (rows,), generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("classes", [1, 2, 3, 10])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("rows", [2, 3, 60])
def test_classification(name: str, classes: int, ties: bool, rows: int) -> None:
    check(name, logits(rows, classes, ties=ties), labels(rows, max(2, classes)))


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize(
    "y",
    [
        pytest.param(torch.arange(30) // 29, id="one row of a class"),
        pytest.param(torch.cat([labels(26, 2), torch.tensor([2, 3])]), id="one row of several classes"),
        pytest.param(labels(30, 2) * 3, id="classes between absent"),
        pytest.param(torch.full((30,), 2), id="one class"),
        pytest.param(torch.tensor([0, 1]), id="two rows of different classes"),
        pytest.param(torch.tensor([3, 3]), id="two rows of one class"),
        pytest.param(torch.tensor([0, 1, 1]), id="three rows"),
        pytest.param(torch.tensor([3]), id="one row"),
    ],
)
@pytest.mark.parametrize("kind", ["random", "ties", "constant", "right", "wrong"])
def test_rare_classes(name: str, y: Tensor, kind: str) -> None:
    one_hot = torch.nn.functional.one_hot(y, 4).double()
    outputs = {"random": logits(len(y), 4), "ties": logits(len(y), 4, ties=True), "constant": torch.zeros(len(y), 4)}
    check(name, {**outputs, "right": 80 * one_hot, "wrong": -80 * one_hot}[kind], y)


@pytest.mark.parametrize("name", CLASSES)
@settings(max_examples=30, deadline=None)
@given(data=st.data(), classes=st.integers(1, 4), rows=st.integers(1, 9))
def test_small_data(name: str, data: st.DataObject, classes: int, rows: int) -> None:
    y = data.draw(st.lists(st.integers(0, max(2, classes) - 1), min_size=rows, max_size=rows))
    values = data.draw(st.lists(st.integers(-2, 2), min_size=rows * classes, max_size=rows * classes))
    check(name, torch.tensor(values).reshape(rows, classes).double(), torch.tensor(y))


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize(
    "y",
    [
        pytest.param(logits(200, 1) + 1000, id="far from 0"),
        pytest.param(torch.full((20, 1), 0.1, dtype=torch.float64), id="constant"),
        pytest.param(torch.cat([torch.full((9, 1), 0.1), torch.ones(1, 1)]).double(), id="constant without one row"),
        pytest.param(torch.cat([logits(9, 1), torch.full((1, 1), 1e8)]), id="an outlier"),
        pytest.param(logits(1, 1), id="one row"),
        pytest.param(logits(2, 1), id="two rows"),
        pytest.param(logits(3, 1), id="three rows"),
    ],
)
@pytest.mark.parametrize("kind", ["random", "exact", "half"])
def test_regression(name: str, y: Tensor, kind: str) -> None:
    check(name, {"random": y + logits(len(y) + 1, 1)[1:], "exact": y, "half": y / 2}[kind], y)


@pytest.mark.parametrize("name", VALUES)
@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=1, max_size=9))
def test_small_regression(name: str, rows: list[tuple[int, int]]) -> None:
    check(name, *torch.tensor(rows).double().T.contiguous())


@pytest.mark.parametrize("name", METRICS)
def test_outputs_that_are_not_finite(name: str) -> None:
    outputs = logits(6, 1)
    y = logits(6, 1) if name in VALUES else labels(6, 2)
    outputs[2] = np.nan
    assert np.isnan(leave_one_out(metric(name), outputs, y)).tolist() == [True] * 6


@pytest.mark.parametrize("name", METRICS)
def test_one_value_for_each_row_in_low_precision(name: str) -> None:
    outputs = logits(9, 1, ties=True).bfloat16().requires_grad_()
    y = logits(9, 1).float() if name in VALUES else labels(9, 2).byte()
    assert np.array_equal(check(name, outputs, y), check(name, outputs[:, 0], y), equal_nan=True)


def test_a_class_that_no_longer_occurs() -> None:
    scores = check("balanced_accuracy", torch.eye(3)[[0, 0, 1, 1]], torch.tensor([0, 0, 1, 2]))
    assert scores.tolist() == pytest.approx([2 / 3, 2 / 3, 1 / 2, 1.0])


def test_undefined_without_one_row() -> None:
    for name in ("roc_auc", "average_precision"):
        scores = check(name, torch.tensor([1.0, 2.0, 3.0]), torch.tensor([0, 1, 1]))
        assert np.isnan(scores).tolist() == [True, False, False]


@pytest.mark.parametrize("name", [n for n, m in METRICS.items() if m.needs == "labels"])
def test_a_row_of_masks_is_an_image(name: str) -> None:
    outputs = torch.randn(5, 3, 4, 6, generator=torch.Generator().manual_seed(0))
    y = labels(5 * 4 * 6, 3).reshape(5, 4, 6)
    y[2:] = y[2:].clamp(max=1)
    check(name, outputs, y)
    outputs[1, 0, 0, 0] = np.inf
    assert np.isnan(leave_one_out(metric(name), outputs, y)).all()


def test_scores_of_masks_are_refused() -> None:
    with pytest.raises(InputError, match="log_loss: masks are scored by their predicted classes"):
        leave_one_out(metric("log_loss"), torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4).long())


@pytest.mark.parametrize("name", METRICS)
def test_errors_are_those_of_the_metric(name: str) -> None:
    outputs, y = torch.zeros(3, 2), torch.zeros(7)
    with pytest.raises(InputError) as expected:
        metric(name)(outputs, y)
    with pytest.raises(InputError) as error:
        leave_one_out(metric(name), outputs, y)
    assert str(error.value) == str(expected.value)
