import math

import pytest
import torch
from sklearn import metrics as sk

from goodfit.data import metric
from goodfit.data.metrics import leave_one_out

NUMBERS = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(-1, 1), (-1,)])
def test_values_equal_scikit_learn(shape: tuple[int, ...]) -> None:
    y, out = NUMBERS[:, :1], NUMBERS[:, :1] * 0.5 + NUMBERS[:, 1:2]
    a, b = y.numpy(), out.numpy()
    assert metric("r2")(out.reshape(shape), y) == pytest.approx(sk.r2_score(a, b), abs=1e-5)
    assert metric("mae")(out, y.reshape(shape)) == pytest.approx(sk.mean_absolute_error(a, b), abs=1e-5)
    assert metric("rmse")(out, y) == pytest.approx(math.sqrt(sk.mean_squared_error(a, b)), abs=1e-5)


def test_constant_targets_that_are_not_exact_in_binary() -> None:
    y = torch.full((3, 1), 0.1, dtype=torch.float64)
    assert metric("r2")(y + 1, y) == 0
    assert metric("r2")(y, y) == 1


def test_r2_without_an_outlier_keeps_its_digits() -> None:
    y = torch.tensor([0.0, 1.0, 2.0, 4.0, 1e9], dtype=torch.float64)
    expected = metric("r2")(y[:4] * 0.5, y[:4])
    assert leave_one_out(metric("r2"), y * 0.5, y)[4] == pytest.approx(expected, rel=1e-14)


def test_the_pinball_loss_by_hand() -> None:
    f, y = torch.tensor([1.0, 1.0]), torch.tensor([3.0, 0.0])  # errors 2 and -1
    assert metric("pinball_0.9")(f, y) == pytest.approx((0.9 * 2 + 0.1 * 1) / 2, abs=1e-15)
    assert metric("pinball_0.1")(f, y) == pytest.approx((0.1 * 2 + 0.9 * 1) / 2, abs=1e-15)


def test_half_the_mean_absolute_error_is_the_pinball_loss_of_the_median() -> None:
    f, y = NUMBERS[:, 0], NUMBERS[:, 1]
    assert metric("pinball_0.5")(f, y) == pytest.approx(metric("mae")(f, y) / 2, abs=1e-15)
