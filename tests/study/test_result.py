"""The ranking of given scores."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import special, stats

from goodfit.diagnosis import RUN_A_STUDY, Verdict
from goodfit.errors import InputError
from goodfit.study import Study
from goodfit.study.fits import Fit
from goodfit.study.scores import REPORTED

MakeStudy = Callable[..., Study]


def test_scores_rank_from_high_to_low(make_study: MakeStudy) -> None:
    study = make_study({"": [0.7, 0.8], "l2=0.1": [0.9, 0.9], "l1=0.1": [0.1, 0.2]})
    assert [r.candidate.label for r in study.ranking()] == ["l2=0.1", "plain", "l1=0.1"]
    best = study.best()
    assert best is not None
    assert best.candidate.label == "l2=0.1"
    assert best.wins == 2
    assert study.leader() == ("l2=0.1", pytest.approx(0.9))


def test_errors_rank_from_low_to_high(make_study: MakeStudy) -> None:
    study = make_study({"": [0.7, 0.8], "l2=0.1": [0.9, 0.9], "l1=0.1": [0.1, 0.9]}, metric="rmse")
    ranking = study.ranking()
    assert [r.candidate.label for r in ranking] == ["l1=0.1", "plain", "l2=0.1"]
    assert [r.wins for r in ranking] == [1, 0, 0]
    assert study.leader() == ("l1=0.1", pytest.approx(0.5))


def test_differences_are_paired_by_row(make_study: MakeStudy) -> None:
    study = make_study({"": [0.1, 0.5, 0.9], "l2=0.1": [0.2, 0.6, 1.0]})
    ranked = study.ranking()[0]
    assert ranked.difference is not None
    assert ranked.difference.mean == pytest.approx(0.1)
    # 6 of 60 rows, two in each fold, are 1 better, all others equal: the standard error of their mean
    rows = np.repeat([1.0, 0.0], [6, 54])
    half = stats.t.ppf(0.975, 59) * rows.std(ddof=1) / math.sqrt(60)
    assert ranked.difference.high - 0.1 == pytest.approx(half)
    assert ranked.difference.significant
    assert ranked.score.high - ranked.score.low > 0.2  # the rows of the scores differ much more
    assert study.ranking()[1].difference is None


def test_intervals_stay_within_the_range_of_the_metric(make_study: MakeStudy) -> None:
    estimate = make_study({"": [0.9, 1.0]}).ranking()[0].score
    assert estimate.mean == pytest.approx(0.95)
    assert 0.0 < estimate.low < 0.95 < estimate.high <= 1.0
    assert estimate.high - estimate.mean < estimate.mean - estimate.low
    numbers = make_study({"": [0.9, 1.0]}, metric="rmse")
    varied = numbers.targets.y + 9 * (torch.arange(len(numbers.targets.y)) % 2)
    wide = dataclasses.replace(numbers, targets=dataclasses.replace(numbers.targets, y=varied))
    assert wide.estimate("plain").high > 1.0


def test_a_perfect_score_on_few_rows_has_an_interval(make_study: MakeStudy) -> None:
    study = make_study({"": [1.0, 1.0]})
    score = study.ranking()[0].score
    assert (score.mean, score.high) == (1.0, 1.0)
    p = 40.5 / 41  # half a row more of 40 is wrong; its interval is symmetric on the logit scale
    half = stats.t.ppf(0.975, 39) * math.sqrt(p * (1 - p) / 40) / (p * (1 - p))
    assert score.low == pytest.approx(special.expit(special.logit(p) - half))


def test_balanced_scores_have_the_smallest_variance_of_their_classes(make_study: MakeStudy) -> None:
    study = make_study({"": [1.0]}, rows=40)
    rare = dataclasses.replace(study, targets=dataclasses.replace(study.targets, y=(torch.arange(40) < 2).long()))
    rare.fits[0].predictions["validation"].outputs[:2] = torch.tensor([0.0, 1.0])
    accuracy, balanced = rare.estimate("plain", "accuracy"), rare.estimate("plain", "balanced_accuracy")
    assert accuracy.mean == balanced.mean == 1.0
    assert balanced.low < accuracy.low - 0.2  # two rows of a class say little about it


def test_a_fold_without_a_class_counts_as_in_the_data(make_study: MakeStudy) -> None:
    study = make_study({"": [1.0, 1.0]}, rows=20)
    y = (torch.arange(40) < 4).long()  # all in the first fold; always the other class is predicted
    always = dataclasses.replace(study, targets=dataclasses.replace(study.targets, y=y))
    assert always.estimate("plain", "balanced_accuracy").mean == 0.5
    assert always.estimate("plain", "accuracy").mean == pytest.approx(0.9)


def test_groups_that_fill_a_fold_have_an_interval(make_study: MakeStudy) -> None:
    study = make_study({"": [0.5, 0.6, 0.4, 0.5], "l2=0.1": [0.6, 0.5, 0.5, 0.4]})
    grouped = dataclasses.replace(study.targets, units=torch.arange(80) // 20)
    for name in ("accuracy", "log_loss"):
        difference = dataclasses.replace(study, targets=grouped).difference("l2=0.1", name)
        assert difference.high - difference.low > 0.1
        assert not difference.significant


def test_recipes_with_fewer_fits_come_later(make_study: MakeStudy) -> None:
    study = make_study({"": [0.9, 0.9, 0.5], "l2=0.1": [0.9, 0.9, None], "l1=0.1": [0.9, 0.9, 0.6]})
    assert [r.candidate.label for r in study.ranking()] == ["l1=0.1", "plain", "l2=0.1"]
    assert study.leader() == ("l1=0.1", pytest.approx(0.8))


def test_a_score_that_is_not_defined_is_no_win(make_study: MakeStudy) -> None:
    study = make_study({"": [2.0, 2.0, math.nan], "l2=0.1": [1.0, 1.0, 1.0]}, metric="rmse")
    assert study.ranking()[0].wins == 2


def test_run_of_names_labels_and_failures(make_study: MakeStudy) -> None:
    study = make_study({"": [0.5], "l2=0.1": [None]})
    with pytest.raises(InputError, match=r"one of 'plain', 'l2=0\.1', got 'l1'"):
        study.run_of("l1")
    with pytest.raises(InputError, match=r"got none of 'l2=0\.1' \(it diverged\)"):
        study.run_of("l2=0.1")
    with pytest.raises(InputError, match="its first fold is not finished"):
        dataclasses.replace(study, fits=[]).run_of("plain")


def test_failed_fits_are_counted_and_left_out(make_study: MakeStudy) -> None:
    study = make_study({"": [0.5, 0.6, 0.7], "l2=0.1": [None, 0.9, 0.9], "l1=0.1": [None, None, None]})
    plain, l2, l1 = study.ranking()
    assert (l2.failures, l2.score.n, l2.wins, l2.seconds) == (1, 2, 2, 2.5)
    assert l2.difference is not None
    assert (l2.difference.n, l2.difference.mean) == (2, pytest.approx((0.3 + 0.2) / 2))
    assert (plain.failures, plain.verdict) == (0, "cannot tell")  # these fits have no epoch
    assert l1.candidate.label == "l1=0.1"  # last, with nothing to compare
    assert (l1.failures, l1.score.n, l1.verdict) == (3, 0, "failed")
    assert math.isnan(l1.score.mean)


def test_without_a_plain_fit_there_is_no_difference(make_study: MakeStudy) -> None:
    study = make_study({"": [None, None], "l2=0.1": [0.9, 0.8]})
    best = study.best()
    assert best is not None
    assert best.difference is not None
    assert best.difference.n == 0
    assert not best.difference.significant
    assert study.significance(best) == "unknown"
    assert study.verdict() is None


def test_a_study_without_a_finished_fit_has_no_best_recipe(make_study: MakeStudy) -> None:
    study = make_study({"": [None]})
    assert (study.best(), study.leader(), study.test_scores()) == (None, None, {})


def test_the_leader_is_one_of_the_recipes_with_the_most_fits(make_study: MakeStudy) -> None:
    study = make_study({"": [0.5, 0.6], "l2=0.1": [0.9, None]})
    assert study.leader() == ("plain", pytest.approx(0.55))


def test_the_test_rows_are_scored_when_all_fits_are_finished(make_study: MakeStudy) -> None:
    study = make_study({"": [0.5, 0.7], "l2=0.1": [0.9, 0.8], "l1=0.1": [0.1, 0.1]})
    scores = study.test_scores()
    assert {label: score.mean for label, score in scores.items()} == {
        "plain": pytest.approx(0.6), "l2=0.1": pytest.approx(0.85),
    }  # fmt: skip
    assert study.complete
    unfinished = dataclasses.replace(study, fits=study.fits[:-1])
    assert (unfinished.complete, unfinished.test_scores()) == (False, {})
    assert unfinished.notes[-1] == "5 of 6 fits are finished"
    assert "5 of 6 fits" in repr(unfinished)


def test_the_test_rows_of_several_folds_are_the_same_units(make_study: MakeStudy) -> None:
    study = make_study({"": [0.5, 0.5, 0.5]})
    test, validation = study.estimate("plain", part="test"), study.estimate("plain")
    hits = np.repeat([1.0, 0.0], 10)
    half = stats.t.ppf(0.975, 19) * hits.std(ddof=1) / math.sqrt(20)  # 20 rows, however many fits
    assert test.high == pytest.approx(special.expit(half / 0.25))
    assert validation.high < test.high


def test_another_metric_ranks_the_same_fits(make_study: MakeStudy) -> None:
    study = make_study({"": [0.7, 0.8], "l2=0.1": [0.9, 0.9]})
    other = study.with_metric("log_loss")
    assert (other.metric, study.metric, other.higher_is_better) == ("log_loss", "accuracy", False)
    assert other.fits is study.fits
    # a right row costs log(1 + 1/e), a wrong one log(1 + e)
    right, wrong = math.log1p(math.exp(-1)), math.log1p(math.e)
    assert other.ranking()[0].score.mean == pytest.approx(0.9 * right + 0.1 * wrong)
    with pytest.raises(InputError, match="metric: it must be one for classification, got 'rmse', which needs values"):
        study.with_metric("rmse")


def test_the_frame_has_a_row_per_recipe(make_study: MakeStudy) -> None:
    frame = make_study({"": [0.7, 0.8], "l2=0.1": [0.9, 0.9]}).frame()
    assert list(frame["recipe"]) == ["l2=0.1", "plain"]
    assert frame["mean"].tolist() == pytest.approx([0.9, 0.75])
    assert frame["difference"].tolist() == pytest.approx([0.15, math.nan], nan_ok=True)
    assert frame["fits"].tolist() == [2, 2]


def test_the_frame_of_metrics_has_a_row_per_recipe_and_metric(make_study: MakeStudy) -> None:
    study = make_study({"": [0.7, 0.8], "l2=0.1": [0.9, 0.9]})
    frame = study.metrics_frame()
    assert list(frame["metric"]) == [*REPORTED["classification"]] * 2
    accuracy = frame[frame["metric"] == "accuracy"]
    assert accuracy["mean"].tolist() == pytest.approx([0.75, 0.9])
    assert accuracy["difference"].tolist() == pytest.approx([math.nan, 0.15], nan_ok=True)
    assert len(study.metrics_frame(["plain"])) == len(REPORTED["classification"])
    ranking = frame[frame["metric"] == "roc_auc"]  # all rows have one class
    assert ranking["mean"].isna().all()


def test_a_fit_as_a_row_of_fits_csv(make_study: MakeStudy) -> None:
    rows = make_study({"": [0.5], "l2=0.1": [None]}).fits_frame().to_dict("records")
    assert (rows[0]["recipe"], rows[0]["text"], rows[0]["score"], rows[0]["stopped"]) == ("plain", "", 0.5, "")
    assert (rows[0]["repeat"], rows[0]["fold"], rows[0]["seed"]) == (0, 0, 0)
    assert (rows[1]["text"], rows[1]["stopped"], rows[1]["epochs"]) == ("l2=0.1", "it diverged", 0)
    assert math.isnan(rows[1]["score"])


@pytest.mark.parametrize(
    ("metric", "scores", "step"),
    [
        ("accuracy", {"": [0.1, 0.5, 0.9], "l2=0.1": [0.2, 0.6, 1.0]}, "Regularize: use l2=0.1, which is"),
        ("rmse", {"": [0.2, 0.6, 1.0], "l2=0.1": [0.1, 0.5, 0.9]}, "Regularize: use l2=0.1, which is"),
        ("rmse", {"": [0.1, 0.5, 0.9], "l2=0.1": [0.2, 0.6, 1.0]}, "Regularize: use more rows, repeats or other"),
        ("accuracy", {"": [0.7, 0.8], "l2=0.1": [0.75, 0.8]}, "Regularize: use more rows, repeats or other"),
    ],
)
def test_the_next_step_of_a_study_follows_from_its_result(
    metric: str, scores: dict[str, list[float]], step: str, make_study: MakeStudy, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict = Verdict("overfit", "the gap is large", (), (RUN_A_STUDY, "Get more training rows."))
    monkeypatch.setattr(Fit, "verdict", verdict)
    of_study = make_study(scores, metric=metric).verdict()
    assert of_study is not None
    assert of_study.next_steps[0].startswith(step)
    assert of_study.next_steps[1:] == verdict.next_steps[1:]
