"""Where the stop curve goes; a change counts from 2 % of the loss of a constant prediction on."""

import math
from collections.abc import Callable, Sequence

import pytest

from goodfit.diagnosis.evidence import Evidence
from goodfit.diagnosis.trend import check

Make = Callable[..., Evidence]


@pytest.mark.parametrize(
    ("curve", "result"),
    [
        ([0.9, 0.8, 0.7, 0.6], "short"),
        ([], "short"),
        ([1, 0.5, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65], "rising"),
        ([0.4, 0.45, 0.5, 0.55, 0.6], "rising"),  # five values that only rise: p = 2/120
        ([1, 0.8, 0.6, 0.5, 0.55, 0.6, 0.65], "flat"),  # four values behind the best are too few for a trend
        ([0.4, 0.401, 0.402, 0.403, 0.404, 0.405], "flat"),  # rises by less than 0.02
        ([0.4, 0.6, 0.5, 0.7, 0.45, 0.6, 0.5], "flat"),  # higher, but to and fro
        ([0.4, 0.5, 0.6, 0.45, 0.55, 0.65, 0.5], "flat"),  # rather rising, but it may be chance: p = 0.22
        ([1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7], "falling"),
        ([1.0, 0.8, 0.6, 0.5, 0.495, 0.494, 0.493, 0.492, 0.491], "flat"),
        ([0.5] * 10, "flat"),
    ],
)
def test_results(evidence: Make, curve: Sequence[float], result: str) -> None:
    assert check(evidence(curve)).result == result


def test_the_last_third_decides_whether_it_still_falls(evidence: Make) -> None:
    levelled = [1 - 0.05 * i for i in range(12)] + [0.45, 0.449, 0.448, 0.447, 0.446, 0.445]
    assert check(evidence(levelled)).result == "flat"
    assert check(evidence(levelled[:12])).result == "falling"


def test_the_unit_is_the_constant_loss_or_else_the_first_value(evidence: Make) -> None:
    curve = [10.0, 9.98, 9.96, 9.94, 9.92, 9.9]  # falls by 0.08 over the last five
    assert check(evidence(curve, baseline=1.0)).result == "falling"
    assert check(evidence(curve, baseline=None)).result == "flat"
    assert check(evidence(curve, baseline=100.0)).result == "flat"


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_a_stop_loss_that_is_no_number_is_not_called_too_short(evidence: Make, broken: float) -> None:
    finding = check(evidence([0.9] * 30 + [broken, 0.8]))
    assert finding.result == "unclear"
    assert finding.evidence == "not finite in 1 of 32 epochs"
    assert "few" not in finding.title


def test_the_evidence_names_the_best_epoch(evidence: Make) -> None:
    finding = check(evidence([1, 0.5, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65]))
    assert finding.title == "The stop loss rises after epoch 3"
    assert finding.evidence == "stop loss 0.400 at epoch 3, 0.650 at epoch 8"
    assert "early_stopping" in finding.next_step
