"""Skill beyond a constant prediction, whose loss is 1 here: a tenth of it must be gone."""

from collections.abc import Callable

import pytest

from goodfit.diagnosis.baseline import check
from goodfit.diagnosis.evidence import Evidence

Make = Callable[..., Evidence]


@pytest.mark.parametrize(
    ("train", "stop", "se", "says"),
    [
        (0.5, 0.5, 0.1, "learned"),  # high end 0.696
        (0.5, 0.7, 0.1, "learned"),  # 0.896
        (0.5, 0.71, 0.1, "unclear"),  # 0.906
        (0.95, 0.95, 0.01, "nothing"),
        (0.91, 2.0, 0.01, "nothing"),  # even on training rows
        (0.1, 1.2, 0.1, "memorised"),  # low end 1.004
        (0.1, 1.09, 0.1, "unclear"),  # low end 0.894
    ],
)
def test_words(evidence: Make, train: float, stop: float, se: float, says: str) -> None:
    assert check(evidence([stop], train, se=(0.01, se))).says == says


@pytest.mark.parametrize("baseline", [None, 0.0, float("nan")])
def test_without_a_trivial_loss_nothing_is_said(evidence: Make, baseline: float | None) -> None:
    assert check(evidence([0.5], baseline=baseline)).says == "unclear"


def test_without_an_interval_nothing_is_said(evidence: Make, nan: float) -> None:
    assert check(evidence([0.5], se=(0.01, nan))).says == "unclear"


def test_the_share_removed_is_told(evidence: Make) -> None:
    found = check(evidence([0.25], 0.2, baseline=0.5))
    assert found.title == "The network removes 50% of the trivial loss"
    assert "constant prediction has loss 0.500" in found.evidence
