"""Skill beyond a constant prediction, whose loss is 1 here: a tenth of it must be gone."""

from collections.abc import Callable

import pytest

from goodfit.diagnosis.baseline import check
from goodfit.diagnosis.evidence import Evidence

Make = Callable[..., Evidence]


@pytest.mark.parametrize(
    ("train", "stop", "se", "result"),
    [
        (0.5, 0.5, 0.1, "learned"),  # high end 0.696
        (0.5, 0.7, 0.1, "learned"),  # 0.896
        (0.5, 0.71, 0.1, "unclear"),  # 0.906
        (0.95, 0.95, 0.01, "not learned"),
        (0.91, 2.0, 0.01, "not learned"),  # even on training rows
        (0.1, 1.2, 0.1, "memorized"),  # low end 1.004
        (0.1, 1.09, 0.1, "unclear"),  # low end 0.894
    ],
)
def test_results(evidence: Make, train: float, stop: float, se: float, result: str) -> None:
    assert check(evidence([stop], train, se=(0.01, se))).result == result


@pytest.mark.parametrize("baseline", [None, 0.0, float("nan")])
def test_without_a_constant_loss_it_is_unclear(evidence: Make, baseline: float | None) -> None:
    finding = check(evidence([0.5], baseline=baseline))
    assert (finding.result, finding.title) == ("unclear", "The loss of a constant prediction is not known")


def test_without_an_interval_it_is_unclear(evidence: Make, nan: float) -> None:
    finding = check(evidence([0.5], se=(0.01, nan)))
    assert (finding.result, finding.title) == ("unclear", "The confidence interval of the stop loss is not known")


def test_the_title_states_the_improvement(evidence: Make) -> None:
    finding = check(evidence([0.25], 0.2, baseline=0.5))
    assert finding.title == "The loss is 50% lower than that of a constant prediction"
    assert "constant prediction has 0.500" in finding.evidence
