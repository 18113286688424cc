"""A penalty whose gradient is not that of its value is refused."""

from __future__ import annotations

from collections.abc import Callable
from unittest import SkipTest

import pytest
from torch import Tensor

from goodfit.techniques import Dropout
from goodfit.testing.check import run_check
from goodfit.testing.examples import CubicPenalty
from goodfit.testing.penalties import check_gradient_is_that_of_the_value


def test_a_correct_gradient_passes() -> None:
    run_check(check_gradient_is_that_of_the_value, CubicPenalty)


@pytest.mark.parametrize(
    ("gradient", "message"),
    [
        (lambda self, w: -3 * self.strength * w * w.abs(), "gradient must be the derivative of value, but differs"),
        (lambda self, w: 4 * self.strength * w * w.abs(), "gradient must be the derivative of value, but differs"),
        (lambda self, w: 3.01 * self.strength * w * w.abs(), "gradient must be the derivative of value, but differs"),
        (lambda self, w: (w * w.abs()).sum(0), "gradient must have the shape"),
    ],
)
def test_a_wrong_gradient_is_named(gradient: Callable[..., Tensor], message: str) -> None:
    wrong = type("Wrong", (CubicPenalty,), {"gradient": gradient, "__module__": __name__, "aliases": ()})
    with pytest.raises(AssertionError, match=f"Wrong: gradient is that of the value: {message}"):
        run_check(check_gradient_is_that_of_the_value, wrong)


def test_other_techniques_are_skipped() -> None:
    with pytest.raises(SkipTest, match="not a smooth or quadratic penalty"):
        run_check(check_gradient_is_that_of_the_value, Dropout)
