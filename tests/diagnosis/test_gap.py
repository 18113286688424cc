"""The gap between training and stop rows. Errors of 0.01 each give the gap 0.01·√2, its interval ± 0.0277."""

import math
from collections.abc import Callable

import pytest

from goodfit.diagnosis.evidence import Evidence
from goodfit.diagnosis.gap import check

Make = Callable[..., Evidence]


@pytest.mark.parametrize(
    ("train", "stop", "result"),
    [
        (0.20, 0.30, "large"),  # gap 0.10, low end 0.072 above 5 % of the constant prediction's loss of 1
        (0.30, 0.31, "small"),  # gap 0.01, high end 0.038 below it
        (0.30, 0.345, "unclear"),  # gap 0.045 [0.017, 0.073]
        (0.22, 0.30, "large"),  # gap 0.08, low end 0.0523
        (0.223, 0.30, "unclear"),  # gap 0.077, low end 0.0493
        (0.278, 0.30, "small"),  # gap 0.022, high end 0.0497
        (0.277, 0.30, "unclear"),  # gap 0.023, high end 0.0507
        (0.60, 0.30, "small"),  # training rows are harder: no overfitting
    ],
)
def test_by_the_share_of_the_constant_loss(evidence: Make, train: float, stop: float, result: str) -> None:
    assert check(evidence([stop], train)).result == result


def test_only_the_kept_epoch_counts(evidence: Make) -> None:
    curves = ([0.31, 0.9], [0.30, 0.1])
    assert check(evidence(*curves, kept=1)).result == "small"
    assert check(evidence(*curves, kept=2)).result == "large"


def test_a_small_loss_is_judged_by_its_own_size_where_the_accuracies_differ_too(evidence: Make) -> None:
    losses, errors = ([0.04], [0.01]), {"se": (0.001, 0.005)}  # gap 0.03 [0.02, 0.04], above half of 0.04
    assert check(evidence(*losses, score=(1.0, 0.95), **errors)).result == "large"
    half = check(evidence(*losses, score=(1.0, 0.995), rows=10_000, **errors))
    assert half.result == "small"  # significant, but only half a percent
    assert check(evidence(*losses, score=(1.0, 0.95), rows=20, **errors)).result == "small"  # not significant
    assert check(evidence(*losses, score=(1.0, 0.95), metric="f1_macro", **errors)).result == "small"  # not known
    assert check(evidence([0.07], [0.04], score=(1.0, 0.95), **errors)).result == "small"  # below half of 0.07


def test_without_a_constant_loss_a_quarter_of_the_stop_loss_is_tolerated(evidence: Make) -> None:
    assert check(evidence([0.30], [0.20])).result == "large"
    assert check(evidence([0.30], [0.20], baseline=None)).result == "unclear"  # low end 0.072, tolerance 0.075
    assert check(evidence([0.30], [0.15], baseline=None)).result == "large"
    assert check(evidence([0.30], [0.29], baseline=None)).result == "small"


@pytest.mark.parametrize("broken", [{"se": (math.nan, 0.01)}, {"se": (0.01, math.nan)}, {"train": math.nan}])
def test_without_an_interval_it_is_unclear_and_says_how_to_get_one(evidence: Make, broken: dict[str, float]) -> None:
    finding = check(evidence([0.9], **({"train": 0.1} | broken)))
    assert finding.result == "unclear"
    assert "one number per row" in finding.next_step


def test_the_evidence_holds_the_numbers(evidence: Make) -> None:
    finding = check(evidence([0.30], [0.20], score=(0.98, 0.9)))
    assert finding.evidence == (
        "loss 0.200 on training rows, 0.300 on stop rows; gap 0.100 [0.072, 0.128]; accuracy 0.980 and 0.900"
    )
    assert check(evidence([0.345], rows=77)).next_step == "Use more than 77 stop rows, or train with several seeds."
