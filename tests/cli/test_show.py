"""Results on the terminal: the ranking, verdicts and messages."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from goodfit.cli import show
from goodfit.diagnosis import Finding, Verdict
from goodfit.study import Study

MakeStudy = Callable[..., Study]


def cells(study: Study) -> list[list[str]]:
    columns = [list(column.cells) for column in show.ranking(study).columns]
    return [list(map(str, row)) for row in zip(*columns, strict=True)]


def test_a_row_of_the_ranking_has_score_difference_and_wins(make_study: MakeStudy) -> None:
    best, plain = cells(make_study({"": [0.5, 0.5, 0.5, 0.5], "l2=0.1": [0.9, 0.9, 0.9, 0.9]}))
    assert (best[0], best[1], best[3], best[5]) == ("l2=0.1", "0.9000", "+0.4000*", "4/4")
    assert (plain[0], plain[1], plain[3:6]) == ("plain", "0.5000", ["", "", ""])


def test_a_recipe_without_a_finished_run_has_dashes(make_study: MakeStudy) -> None:
    plain, l2 = cells(make_study({"": [0.5, 0.5], "l2=0.1": [None, None]}))
    assert plain[6] == "–"  # no epoch, no gap
    assert l2 == ["l2=0.1", "–", "–", "–", "–", "–", "–", "failed"]
    best, failed = cells(make_study({"": [None, None], "l2=0.1": [0.5, 0.5]}))
    assert (best[1], best[3:6]) == ("0.5000", ["–", "–", "–"])
    assert failed[7] == "failed"


def test_one_row_has_no_interval(make_study: MakeStudy) -> None:
    best, plain = cells(make_study({"": [0.0], "l2=0.1": [1.0]}, rows=1))
    assert best[1:6] == ["1.0000", "unknown", "+1.0000 ", "unknown", "1/1"]
    assert plain[2] == "unknown"


@pytest.mark.parametrize(("metric", "better"), [("accuracy", "higher"), ("rmse", "lower")])
def test_the_title_says_which_scores_are_better(make_study: MakeStudy, metric: str, better: str) -> None:
    title = show.ranking(make_study({"": [0.5, 0.5]}, metric)).title
    assert title == f"{metric} on validation rows ({better} is better), 2 folds; * excludes 0"


def test_an_unfinished_study_has_no_test_score(make_study: MakeStudy, capsys: pytest.CaptureFixture[str]) -> None:
    study = make_study({"": [0.5, 0.5], "l2=0.1": [0.9, 0.9]})
    show.study(study)
    assert "test score" in capsys.readouterr().out
    show.study(dataclasses.replace(study, fits=study.fits[:3]))
    shown = capsys.readouterr().out
    assert "test score" not in shown
    assert "3 of 4 fits are finished" in shown


def test_the_plain_network_is_bold(make_study: MakeStudy) -> None:
    table = show.ranking(make_study({"": [0.5], "l2=0.1": [0.75]}))
    assert [row.style for row in table.rows] == ["", "bold"]


def test_a_verdict_has_its_findings_and_one_next_step(capsys: pytest.CaptureFixture[str]) -> None:
    finding = Finding("gap", "large", "The gap is [wide]", "0.9 and 0.5", "regularize")
    show.verdict(Verdict("overfit", "It memorizes.", (finding,), ("first step", "second step")), "the [best] recipe")
    assert capsys.readouterr().out.splitlines() == [
        "",
        "Verdict on the [best] recipe: overfit. It memorizes.",
        "  • The gap is [wide]: 0.9 and 0.5",
        "  next step: first step",
    ]


def test_messages_for_other_programs_are_not_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    text = "l2(on='[a]') " * 40
    show.message(text)
    assert capsys.readouterr().out == f"{text}\n"
    show.raw("a,b\n")
    assert capsys.readouterr().out == "a,b\n"
