"""Intervals and standard errors, compared with numbers computed by hand."""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import pytest

from goodfit.data import TaskSpec
from goodfit.diagnosis.evidence import Evidence, Interval
from goodfit.errors import InputError

Make = Callable[..., Evidence]


def test_an_interval_extends_1_96_standard_errors_to_each_side() -> None:
    interval = Interval(0.5, 0.1)
    assert (interval.low, interval.high) == pytest.approx((0.304, 0.696))
    assert interval.known
    assert interval.text(2) == "0.50 [0.30, 0.70]"


@pytest.mark.parametrize("interval", [Interval(math.nan, 0.1), Interval(0.5, math.nan), Interval(math.inf, 0.1)])
def test_an_interval_that_is_not_finite_is_unknown(interval: Interval) -> None:
    assert not interval.known


def test_losses_of_the_kept_epoch_or_of_another(evidence: Make) -> None:
    run_evidence = evidence([0.9, 0.4, 0.6], [0.8, 0.3, 0.1], kept=2, se=(0.01, 0.02))
    assert run_evidence.loss("stop") == Interval(0.4, 0.02, 0.0)
    assert run_evidence.loss("train") == Interval(0.3, 0.01, 0.0)
    assert run_evidence.loss("stop", 3) == Interval(0.6, 0.02, 0.0)
    with pytest.raises(InputError, match="got epoch=4"):
        run_evidence.loss("stop", 4)


def test_the_interval_of_a_loss_ends_at_0_unless_losses_are_negative(evidence: Make) -> None:
    assert evidence([0.9, 0.02], se=(0.01, 0.03)).loss("stop").text(2) == "0.02 [0.00, 0.08]"
    assert evidence([0.9, 0.02], [0.5, -0.1], se=(0.01, 0.03)).loss("stop").text(2) == "0.02 [-0.04, 0.08]"


def test_the_error_of_an_accuracy_is_that_of_agresti_and_coull(evidence: Make) -> None:
    run_evidence = evidence([0.5], score=(1.0, 0.5), rows=16)
    assert run_evidence.score("train").value == 1.0  # (16 + 2) / 20 = 0.9
    assert run_evidence.score("train").se == pytest.approx(math.sqrt(0.9 * 0.1 / 20))
    assert run_evidence.score("stop").se == pytest.approx(math.sqrt(0.5 * 0.5 / 20))


def test_the_error_of_other_metrics_is_unknown(evidence: Make) -> None:
    assert math.isnan(evidence([0.5], metric="f1_macro").score("stop").se)
    assert math.isnan(evidence([0.5], rows=0).score("stop").se)
    assert math.isnan(evidence([0.5], score=(0.9, math.nan)).score("stop").se)


def test_the_accuracy_of_masks_has_no_known_error(recorded: Callable[..., Any]) -> None:
    masks = dataclasses.replace(
        recorded([0.5]), spec=TaskSpec("segmentation", "mask", ("a", "b"), (3, 8, 8), 2, "hand")
    )
    assert math.isnan(Evidence.of(masks).score("stop").se)


def test_train_and_stop_errors_count_their_own_rows(evidence: Make) -> None:
    run_evidence = evidence([0.5], score=(0.5, 0.5), rows=96)
    other = Evidence(run_evidence.history, 1, "accuracy", 1.0, {"sample": 96, "stop": 21, "train": 5})
    assert other.score("train").se == pytest.approx(0.5 / 10)
    assert other.score("stop").se == pytest.approx(0.5 / 5)


@pytest.mark.parametrize(("metric", "higher"), [("accuracy", True), ("rmse", False), ("log_loss", False)])
def test_the_direction_of_the_metric(evidence: Make, metric: str, higher: bool) -> None:
    assert evidence([0.5], metric=metric).higher_is_better is higher


def test_a_baseline_that_is_not_known_is_nan(evidence: Make) -> None:
    assert math.isnan(evidence([0.5], baseline=None).baseline)
    assert evidence([0.5], baseline=0.7).baseline == 0.7
