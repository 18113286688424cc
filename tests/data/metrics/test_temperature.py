import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.data import metric
from goodfit.data.metrics import temperature
from goodfit.errors import InputError

LOG_LOSS = metric("log_loss")


def drawn(rows: int, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and targets drawn from their probabilities."""
    generator = torch.Generator().manual_seed(classes)
    logits = torch.randn(rows, classes, generator=generator, dtype=torch.float64) * 2
    return logits, torch.multinomial(logits.softmax(1), 1, generator=generator)[:, 0]


@pytest.mark.parametrize("classes", [2, 3, 10])
@pytest.mark.parametrize("known", [0.2, 1.0, 3.0])
def test_a_known_temperature(classes: int, known: float) -> None:
    logits, y = drawn(20_000, classes)
    assert temperature(logits * known, y) == pytest.approx(known, rel=0.04)


def test_temperatures_multiply() -> None:
    logits, y = drawn(500, 3)
    assert temperature(logits * 5, y) == pytest.approx(5 * temperature(logits, y), rel=1e-5)


def test_the_derivative_is_zero_at_the_minimum() -> None:
    logits, y = drawn(300, 4)
    logits *= 3
    t = torch.tensor(temperature(logits, y), dtype=torch.float64, requires_grad=True)
    torch.nn.functional.cross_entropy(logits / t, y).backward()
    assert float(t.grad) == pytest.approx(0, abs=1e-6)


def test_one_logit_equals_two() -> None:
    logits, y = drawn(300, 2)
    one = logits[:, 1:] - logits[:, :1]
    expected = temperature(logits, y)
    assert temperature(one, y) == pytest.approx(expected, rel=1e-5)
    assert temperature(one[:, 0], y) == pytest.approx(expected, rel=1e-5)


def test_every_pixel_of_masks_counts_as_a_row() -> None:
    logits, y = drawn(60, 3)
    masks = logits.T.reshape(3, 2, 5, 6).movedim(0, 1)
    assert temperature(masks * 2, y.reshape(2, 5, 6)) == pytest.approx(temperature(logits * 2, y), rel=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(st.tuples(*[st.floats(-1e3, 1e3)] * 3, st.integers(0, 2)), min_size=1, max_size=9),
    scale=st.sampled_from([1e-6, 1.0, 1e3]),
)
def test_it_never_raises_the_log_loss(rows: list[tuple[float, float, float, int]], scale: float) -> None:
    logits = torch.tensor([row[:3] for row in rows], dtype=torch.float64) * scale
    y = torch.tensor([row[3] for row in rows])
    t = temperature(logits, y)
    assert 1 / 100 <= t <= 100
    assert LOG_LOSS(logits / t, y) <= LOG_LOSS(logits, y)


def test_where_it_is_not_defined() -> None:
    one_row = torch.tensor([[3.0, 0.0]]), torch.tensor([1])
    assert temperature(*one_row) == 1
    for value in (math.nan, math.inf):
        assert temperature(torch.tensor([[3.0, 0.0], [value, 0.0]]), torch.tensor([1, 0])) == 1
    assert temperature(torch.zeros(4, 3), torch.tensor([0, 1, 2, 0])) == 1


def test_the_range_bounds_it() -> None:
    right = torch.tensor([[1.0, 0.0]] * 3)
    assert 1 / 100 <= temperature(right, torch.zeros(3).long()) < 0.03  # the log loss is rounded to 0 there
    assert temperature(right, torch.ones(3).long()) == pytest.approx(100, rel=1e-4)


@pytest.mark.parametrize("size", [1e30, 1e300])
def test_huge_logits(size: float) -> None:
    logits = torch.tensor([[size, 0.0], [0.0, size], [size, 0.0]], dtype=torch.float64)
    for y in ([0, 1, 0], [0, 1, 1], [1, 0, 1]):
        assert 1 / 100 <= temperature(logits, torch.tensor(y)) <= 100


def test_low_precision_and_gradients() -> None:
    logits, y = drawn(50, 3)
    assert temperature(logits.bfloat16().requires_grad_(), y.byte()) == pytest.approx(temperature(logits, y), rel=0.02)


def test_targets_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="do not fit"):
        temperature(torch.zeros(3, 2), torch.zeros(4).long())
