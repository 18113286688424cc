"""What a report says about a study in words."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from goodfit.report import headline, interval_text, summary
from goodfit.report.summary import contradiction, metric_entries, study_facts, study_notes
from goodfit.study import Study
from goodfit.study.scores import REPORTED
from goodfit.study.statistics import Estimate

MakeStudy = Callable[..., Study]


def test_headline_of_a_significantly_better_recipe(make_study: MakeStudy) -> None:
    text = headline(make_study({"": [0.50, 0.60], "l2=0.1": [0.90, 1.0]}))
    ends = r"\[\+\d\d\.\d, \+\d\d\.\d\]"
    assert re.fullmatch(
        rf"l2=0\.1 is sure to predict better: accuracy \+40\.0 points {ends} over the plain network "
        rf"\(2 fits each, 40 rows, p < 0\.001\); test \+40\.0 {ends}\. Effects below \d\d\.\d points could not be "
        r"detected reliably\. The recipe also improves calibration \(log loss 0\.763 to 0\.363; temperature scaling of "
        r"the plain network alone 0\.683\)\.",
        text,
    )


def test_headline_of_a_difference_that_is_not_significant(make_study: MakeStudy) -> None:
    study = make_study({"": [0.50, 0.60], "l2=0.1": [0.70, 0.5]})
    compared = study.evidence().of("l2=0.1")
    assert compared is not None
    assert compared.low < 0 < compared.gain == pytest.approx(0.05)
    assert headline(study).startswith(
        "Nothing is shown to predict better than the plain network: gains above "
        f"{100 * compared.high:.1f} points are excluded for 1 compared recipe."
    )
    smallest = study.evidence().smallest_detectable
    assert headline(study).endswith(f". Effects below {100 * smallest:.1f} points could not be detected reliably.")


def test_headline_of_a_best_recipe_that_is_worse_where_plain_was_finished_too(make_study: MakeStudy) -> None:
    study = make_study({"": [0.9, 0.9, None], "l2=0.1": [0.65, 0.65, 0.65]})
    assert study.ranking()[0].candidate.label == "l2=0.1"
    text = headline(study)
    assert text.startswith(
        "Nothing is shown to predict better than the plain network: 1 compared recipe predicted worse."
    )


def test_headline_where_plain_is_best(make_study: MakeStudy) -> None:
    text = headline(make_study({"": [0.5, 0.6], "l2=0.1": [0.1, 0.1], "l1=0.1": [0.1, 0.2]}))
    assert text.startswith(
        "Nothing is shown to predict better than the plain network: 2 compared recipes predicted worse. Effects below "
    )


def test_headline_of_an_error_is_negative(make_study: MakeStudy) -> None:
    text = headline(make_study({"": [0.5, 0.5], "l2=0.1": [0.1, 0.1]}, metric="rmse"))
    assert text.startswith("l2=0.1 is sure to predict better: rmse -0.4 [-0.4, -0.4] over the plain network (2 fits ")


NOT_COMPARED = "Nothing can be said yet: no recipe was compared with the plain network."


def test_headline_where_plain_failed(make_study: MakeStudy) -> None:
    text = headline(make_study({"": [None, None], "l2=0.1": [0.1, 0.2]}))
    assert text == f"{NOT_COMPARED} Training of the plain network failed (it diverged)."


def test_headline_where_no_fold_was_finished_by_both(make_study: MakeStudy) -> None:
    assert headline(make_study({"": [0.1, None], "l2=0.1": [None, 0.2]})) == NOT_COMPARED


def test_headline_where_nothing_was_finished(make_study: MakeStudy) -> None:
    text = headline(make_study({"": [None], "l2=0.1": [None]}))
    assert text == f"{NOT_COMPARED} Training of the plain network failed (it diverged)."
    study = make_study({"": [0.5], "l2=0.1": [0.5]})
    assert headline(dataclasses.replace(study, fits=[])) == NOT_COMPARED


def test_one_row_has_no_interval_to_show(make_study: MakeStudy) -> None:
    assert interval_text(Estimate(0.5, -math.inf, math.inf, 1)) == "0.5000 (no interval)"
    assert interval_text(Estimate(0.5, 0.25, 0.75, 2), 2) == "0.50 [0.25, 0.75]"
    assert interval_text(Estimate(math.nan, math.nan, math.nan, 0)) == "not defined"
    text = headline(make_study({"": [0.0], "l2=0.1": [1.0]}, rows=1))
    assert text == "Nothing is shown to predict better than the plain network."


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
    assert selected.startswith("Each interval in the table and the figure is that of one recipe alone: with 1 recipe ")
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
    worse = summary.test_entries(make_study({"": [0.9], "l2=0.1": [0.5], "l1=0.1": [0.4]}))  # the one that loses least
    assert [caption for caption, _ in worse] == ["plain", "l2=0.1", "difference from plain"]
    assert [text.split()[0] for _, text in worse] == ["0.9000", "0.5000", "-0.4000"]
    assert [caption for caption, _ in summary.test_entries(make_study({"": [0.9]}))] == ["plain"]


def on_inverted_test_rows(study: Study) -> Study:
    """The study with the other class on all test rows: who was right on them is wrong."""
    return dataclasses.replace(study, targets=dataclasses.replace(study.targets, test_y=1 - study.targets.test_y))


def test_a_test_score_that_contradicts_the_recommended_recipe_is_marked(make_study: MakeStudy) -> None:
    study = make_study({"": [0.25, 0.75], "l2=0.1": [0.5, 1.0]}, rows=200)
    assert study.recommended().label == "l2=0.1"
    assert contradiction(study, "l2=0.1") == ""
    contradicted = on_inverted_test_rows(study)
    assert contradiction(contradicted, "l2=0.1") == " (contradicts the choice)"
    assert summary.test_entries(contradicted)[2][0] == "difference from plain (contradicts the choice)"


@pytest.mark.parametrize(
    ("other", "text"), [(0.85, ""), (0.4, " (contradicts the choice)")], ids=["by chance", "significantly"]
)
def test_a_better_test_score_contradicts_the_plain_network_if_it_is_significant(
    make_study: MakeStudy, other: float, text: str
) -> None:
    study = on_inverted_test_rows(make_study({"": [0.9, 0.9], "l2=0.1": [other, other]}))
    assert study.recommended().label == "plain"
    assert study.difference("l2=0.1", part="test").mean > 0
    assert contradiction(study, "l2=0.1") == text


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
