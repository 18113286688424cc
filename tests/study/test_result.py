"""The ranking of given scores."""

import dataclasses
import math
from collections.abc import Callable

import pytest

from goodfit.data import TaskSpec
from goodfit.diagnosis import RUN_A_STUDY, Verdict
from goodfit.errors import InputError
from goodfit.study import Study
from goodfit.study.result import COUNT_METRICS
from goodfit.study.statistics import corrected_interval

MakeStudy = Callable[..., Study]


def test_scores_rank_from_high_to_low(make_study: MakeStudy) -> None:
    study = make_study({"": [0.7, 0.8], "l2=0.1": [0.9, 0.9], "l1=0.1": [0.1, 0.2]})
    assert [r.candidate.label for r in study.ranking()] == ["l2=0.1", "plain", "l1=0.1"]
    best = study.best()
    assert best is not None
    assert best.candidate.label == "l2=0.1"
    assert best.wins == 2


def test_errors_rank_from_low_to_high(make_study: MakeStudy) -> None:
    study = make_study({"": [0.7, 0.8], "l2=0.1": [0.9, 0.9], "l1=0.1": [0.1, 0.9]}, metric="rmse")
    ranking = study.ranking()
    assert [r.candidate.label for r in ranking] == ["l1=0.1", "plain", "l2=0.1"]
    assert [r.wins for r in ranking] == [1, 0, 0]


def test_differences_are_paired_by_seed(make_study: MakeStudy) -> None:
    study = make_study({"": [0.1, 0.5, 0.9], "l2=0.1": [0.2, 0.6, 1.0]})
    ranked = study.ranking()[0]
    assert ranked.difference is not None
    assert ranked.difference.mean == pytest.approx(0.1)
    # all three differences are 0.1: the variance is only that of rounding on 25 rows
    assert ranked.difference == corrected_interval([0.1, 0.1, 0.1], 0.25, rows=25)
    assert ranked.difference.significant
    assert ranked.score.high - ranked.score.low > 0.9
    assert study.ranking()[1].difference is None


def test_intervals_stay_within_the_range_of_the_metric(make_study: MakeStudy) -> None:
    assert make_study({"": [0.9, 1.0]}).ranking()[0].score.high == 1.0
    assert make_study({"": [0.9, 1.0]}, metric="rmse").ranking()[0].score.high > 1.0


def test_an_interval_depends_on_the_rows_of_its_part(make_study: MakeStudy) -> None:
    study = make_study({"": [0.5]}, metric="rmse")
    study.rows["test"] = 50
    assert study.estimate([0.5, 0.6], "test") == corrected_interval([0.5, 0.6], 0.5)
    assert study.estimate([0.5, 0.6], "validation") == corrected_interval([0.5, 0.6], 0.25)


def test_only_metrics_that_count_rows_have_rounding_variance(make_study: MakeStudy) -> None:
    scores = {"": [0.5, 0.5, 0.5], "l2=0.1": [0.4, 0.4, 0.4]}
    for metric in ("accuracy", "rmse", "log_loss"):
        difference = next(r.difference for r in make_study(scores, metric=metric).ranking() if r.difference)
        assert (difference.high - difference.low > 1e-9) is (metric in COUNT_METRICS)


def test_the_accuracy_of_masks_counts_pixels_not_rows(make_study: MakeStudy) -> None:
    spec = TaskSpec("segmentation", "mask", ("a", "b"), (3, 8, 8), 2, "hand")
    study = make_study({"": [0.5, 0.5, 0.5], "l2=0.1": [0.4, 0.4, 0.4]}, spec=spec)
    difference = study.ranking()[1].difference
    assert difference is not None
    assert difference.high - difference.low < 1e-9


def test_run_of_names_labels_and_failures(make_study: MakeStudy) -> None:
    study = make_study({"": [0.5], "l2=0.1": [None]})
    assert study.run_of("plain") is study.trials[0].run
    with pytest.raises(InputError, match=r"one of 'plain', 'l2=0\.1', got 'l1'"):
        study.run_of("l1")
    with pytest.raises(InputError, match=r"all of 'l2=0\.1' failed \(it diverged\)"):
        study.run_of("l2=0.1")


def test_failed_runs_are_counted_and_left_out(make_study: MakeStudy) -> None:
    study = make_study({"": [0.5, 0.6, 0.7], "l2=0.1": [None, 0.9, 0.9], "l1=0.1": [None, None, None]})
    l2, plain, l1 = study.ranking()
    assert (l2.failures, l2.score.n, l2.wins, l2.seconds) == (1, 2, 2, 2.5)
    assert l2.difference is not None
    assert l2.difference.mean == pytest.approx((0.3 + 0.2) / 2)
    assert (plain.failures, plain.verdict) == (0, "failed")  # these trials have no verdict
    assert l1.candidate.label == "l1=0.1"  # last, with nothing to compare
    assert (l1.failures, l1.score.n) == (3, 0)
    assert math.isnan(l1.score.mean)


def test_without_a_plain_run_there_is_no_difference(make_study: MakeStudy) -> None:
    study = make_study({"": [None, None], "l2=0.1": [0.9, 0.8]})
    best = study.best()
    assert best is not None
    assert best.difference is not None
    assert best.difference.n == 0
    assert not best.difference.significant
    assert study.verdict() is None


def test_a_study_without_a_finished_run_has_no_best_recipe(make_study: MakeStudy) -> None:
    assert make_study({"": [None]}).best() is None


def test_the_frame_has_a_row_per_recipe(make_study: MakeStudy) -> None:
    frame = make_study({"": [0.7, 0.8], "l2=0.1": [0.9, 0.9]}).frame()
    assert list(frame["recipe"]) == ["l2=0.1", "plain"]
    assert frame["mean"].tolist() == pytest.approx([0.9, 0.75])
    assert frame["difference"].tolist() == pytest.approx([0.15, math.nan], nan_ok=True)
    assert frame["seeds"].tolist() == [2, 2]


def test_a_trial_as_a_row_of_runs_csv(make_study: MakeStudy) -> None:
    rows = [o.row() for o in make_study({"": [0.5], "l2=0.1": [None]}).trials]
    assert (rows[0]["recipe"], rows[0]["text"], rows[0]["score"], rows[0]["stopped"]) == ("plain", "", 0.5, "")
    assert (rows[1]["text"], rows[1]["stopped"], rows[1]["epochs"]) == ("l2=0.1", "it diverged", 0)
    assert math.isnan(rows[1]["score"])


@pytest.mark.parametrize(
    ("metric", "scores", "step"),
    [
        ("accuracy", {"": [0.1, 0.5, 0.9], "l2=0.1": [0.2, 0.6, 1.0]}, "Regularize: use l2=0.1, which is"),
        ("rmse", {"": [0.2, 0.6, 1.0], "l2=0.1": [0.1, 0.5, 0.9]}, "Regularize: use l2=0.1, which is"),
        ("rmse", {"": [0.1, 0.5, 0.9], "l2=0.1": [0.2, 0.6, 1.0]}, "Regularize: use more seeds or other recipes"),
        ("accuracy", {"": [0.7, 0.8], "l2=0.1": [0.5, 1.0]}, "Regularize: use more seeds or other recipes"),
    ],
)
def test_the_next_step_of_a_study_follows_from_its_result(
    metric: str, scores: dict[str, list[float]], step: str, make_study: MakeStudy
) -> None:
    study = make_study(scores, metric=metric)
    verdict = Verdict("overfit", "the gap is large", (), (RUN_A_STUDY, "Get more training rows."))
    study.trials = [dataclasses.replace(trial, verdict=verdict) for trial in study.trials]
    of_study = study.verdict()
    assert of_study is not None
    assert of_study.next_steps[0].startswith(step)
    assert of_study.next_steps[1:] == verdict.next_steps[1:]
