"""What a report says about a study in words."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch

from goodfit.report import headline, interval_text, summary
from goodfit.report.summary import contradiction, metric_entries, study_facts, study_notes
from goodfit.study import Study
from goodfit.study.scores import REPORTED
from goodfit.study.statistics import Estimate

MakeStudy = Callable[..., Study]


def test_headline_of_a_significantly_better_recipe(make_study: MakeStudy) -> None:
    text = headline(make_study({"": [0.50, 0.60], "l2=0.1": [0.90, 1.0]}))
    assert re.fullmatch(
        r"Best recipe: l2=0\.1, \+0\.4000 accuracy vs\. plain, 95 % interval \[\+0\.\d{4}, \+0\.\d{4}\], 2 fits each\. "
        r"Significantly better: the interval excludes 0\.",
        text,
    )


def test_headline_of_a_difference_that_is_not_significant(make_study: MakeStudy) -> None:
    text = headline(make_study({"": [0.50, 0.60], "l2=0.1": [0.70, 0.5]}))
    assert text.startswith("Best recipe: l2=0.1, +0.0500 accuracy vs. plain, 95 % interval [-")
    assert text.endswith("2 fits each. Not significant: the interval includes 0.")


def test_headline_of_a_best_recipe_that_is_worse_where_plain_was_finished_too(make_study: MakeStudy) -> None:
    text = headline(make_study({"": [0.9, 0.9, None], "l2=0.1": [0.65, 0.65, 0.65]}))
    assert text.startswith("Best recipe: l2=0.1, -0.2500 accuracy vs. plain")
    assert text.endswith(
        "2 fits each. Significantly worse on the folds that both have finished: the interval excludes 0."
    )


def test_headline_where_plain_is_best(make_study: MakeStudy) -> None:
    assert (
        headline(make_study({"": [0.5, 0.6], "l2=0.1": [0.1, 0.1]}))
        == "No recipe is better than the plain network (accuracy 0.5500)."
    )


def test_headline_of_an_error_is_negative(make_study: MakeStudy) -> None:
    text = headline(make_study({"": [0.5, 0.5], "l2=0.1": [0.1, 0.1]}, metric="rmse"))
    assert text.startswith("Best recipe: l2=0.1, -0.4000 rmse vs. plain")


def test_headline_where_plain_failed(make_study: MakeStudy) -> None:
    text = headline(make_study({"": [None, None], "l2=0.1": [0.1, 0.2]}))
    assert text == "Best recipe: l2=0.1 (accuracy 0.1500). No plain fit was finished."


def test_headline_where_no_fold_was_finished_by_both(make_study: MakeStudy) -> None:
    text = headline(make_study({"": [0.1, None], "l2=0.1": [None, 0.2]}))
    assert text == "Best recipe: l2=0.1 (accuracy 0.2000). No fold of both was finished."


def test_headline_where_nothing_was_finished(make_study: MakeStudy) -> None:
    assert headline(make_study({"": [None]})) == "No fit was finished."


def test_one_row_has_no_interval_to_show(make_study: MakeStudy) -> None:
    assert interval_text(Estimate(0.5, -math.inf, math.inf, 1)) == "0.5000 (no interval)"
    assert interval_text(Estimate(0.5, 0.25, 0.75, 2), 2) == "0.50 [0.25, 0.75]"
    assert interval_text(Estimate(math.nan, math.nan, math.nan, 0)) == "not defined"
    text = headline(make_study({"": [0.0], "l2=0.1": [1.0]}, rows=1))
    assert text == "Best recipe: l2=0.1, +1.0000 accuracy vs. plain. Too few rows for an interval."


def test_facts_name_data_network_training_and_size(make_study: MakeStudy) -> None:
    best: Any = SimpleNamespace(metadata={"parameters": 1234})
    assert study_facts(make_study({"": [0.5, 0.6], "l2=0.1": [0.9, None]}), best) == (
        ("Data", "hand"),
        ("Target", "y (2 classes)"),
        ("Rows", "train 100, stop 20, validation 20, test 20"),
        ("Protocol", "2 folds"),
        ("Network", "mlp, 1,234 parameters"),
        ("Training", "adam, learning rate 0.001, batch size 64, up to 30 epochs"),
        ("Fits", "4 in 4 s of training"),
    )


def test_notes_warn_about_selection_and_name_the_use_of_the_test_rows(make_study: MakeStudy) -> None:
    study = make_study({"": [0.5, 0.6], "l2=0.1": [0.9, 0.9]})
    paired, selected, tested = study_notes(study)
    assert "Differences are paired: same rows, same initial weights, same batches." in paired
    assert selected.startswith("With 1 recipe compared, ")
    assert tested == "The test rows were scored once, after the best recipe was chosen."
    unfinished = dataclasses.replace(study, fits=study.fits[:3])
    assert study_notes(unfinished) == [paired, selected]


def test_notes_of_the_plain_network_alone(make_study: MakeStudy) -> None:
    assert [note.split()[0] for note in study_notes(make_study({"": [0.5]}))] == ["Scores", "The"]


def test_test_scores_of_plain_the_best_and_their_difference(make_study: MakeStudy) -> None:
    study = make_study({"": [0.5, 0.6], "l2=0.1": [0.9, 1.0]})
    entries = summary.test_entries(study)
    assert [caption for caption, _ in entries] == ["plain", "l2=0.1", "difference from plain"]
    assert [text.split()[0] for _, text in entries] == ["0.5500", "0.9500", "+0.4000"]
    assert summary.test_entries(dataclasses.replace(study, fits=study.fits[1:])) == ()
    assert [caption for caption, _ in summary.test_entries(make_study({"": [0.9], "l2=0.1": [0.5]}))] == ["plain"]


def test_a_test_score_that_contradicts_the_choice_is_marked(make_study: MakeStudy) -> None:
    study = make_study({"": [0.25, 0.75], "l2=0.1": [0.5, 1.0]})
    assert contradiction(study, "l2=0.1") == ""
    inverted = dataclasses.replace(study.targets, test_y=1 - study.targets.test_y)  # on the test rows plain is right
    contradicted = dataclasses.replace(study, targets=inverted)
    assert contradiction(contradicted, "l2=0.1") == " (contradicts the choice)"
    assert summary.test_entries(contradicted)[2][0] == "difference from plain (contradicts the choice)"


def test_all_metrics_of_the_task_are_entries(make_study: MakeStudy) -> None:
    study = make_study({"": [0.5, 0.6], "l2=0.1": [0.9, 1.0]})
    targets = torch.arange(40) % 5 // 4  # every fifth row has the other class
    mixed = dataclasses.replace(study, targets=dataclasses.replace(study.targets, y=targets))
    entries = {entry.name: entry for entry in metric_entries(mixed, "l2=0.1")}
    names = {name: name for name in REPORTED["classification"]}
    assert set(entries) == {*names} - {"log_loss_calibrated"} | {"log_loss after temperature scaling"}
    assert entries["log_loss"].better == "lower is better"
    assert entries["accuracy"].better == "higher is better"
    assert entries["accuracy"].difference.startswith(("+", "-"))
    assert [entry.best for entry in metric_entries(mixed, "plain")] == [""] * len(entries)
    one_class = {entry.name for entry in metric_entries(study, "l2=0.1")}
    assert one_class == set(entries) - {"roc_auc", "average_precision"}
