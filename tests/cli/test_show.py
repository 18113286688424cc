"""Results on the terminal: the ranking, verdicts and messages."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest

from goodfit.cli import show
from goodfit.data import TaskSpec
from goodfit.diagnosis import Finding, Verdict
from goodfit.recipe import Recipe
from goodfit.study import Study, Trial
from goodfit.study.candidates import Candidate
from goodfit.train.config import Training


def make_study(scores: dict[str, list[float | None]], metric: str = "accuracy") -> Study:
    """Make a study from the scores of each recipe; None is a failed run."""
    trials = []
    for text, values in scores.items():
        for seed, value in enumerate(values):
            run: Any = None if value is None else SimpleNamespace(epochs=0)
            score = math.nan if value is None else value
            trials.append(Trial(Candidate(text or "plain", Recipe.of(text)), seed, score, 0.0, 1.0, run))
    spec = TaskSpec("classification", "y", ("a", "b"), (4,), 2, "hand")
    rows = {"train": 100, "stop": 20, "validation": 25, "test": 25}
    seeds = tuple(range(max(map(len, scores.values()))))
    return Study("hand", spec, metric, "mlp", Training(), seeds, rows, trials)


def cells(study: Study) -> list[list[str]]:
    columns = [list(column.cells) for column in show.ranking(study).columns]
    return [list(map(str, row)) for row in zip(*columns, strict=True)]


def test_a_row_of_the_ranking_has_score_difference_and_wins() -> None:
    best, plain = cells(make_study({"": [0.5, 0.5, 0.5, 0.5], "l2=0.1": [0.9, 0.9, 0.9, 0.9]}))
    assert (best[0], best[1], best[3], best[5]) == ("l2=0.1", "0.9000", "+0.4000*", "4/4")
    assert (plain[0], plain[1], plain[3:6]) == ("plain", "0.5000", ["", "", ""])


def test_a_recipe_without_a_finished_run_has_dashes() -> None:
    plain, l2 = cells(make_study({"": [0.5, 0.5], "l2=0.1": [None, None]}))
    assert plain[6] == "–"  # no epoch, no gap
    assert l2 == ["l2=0.1", "–", "–", "–", "–", "–", "–", "failed"]
    best, failed = cells(make_study({"": [None, None], "l2=0.1": [0.5, 0.5]}))
    assert (best[1], best[3:6]) == ("0.5000", ["–", "–", "–"])
    assert failed[7] == "failed"


def test_one_seed_has_no_interval() -> None:
    best, plain = cells(make_study({"": [0.5], "l2=0.1": [0.75]}))
    assert best[1:6] == ["0.7500", "one seed", "+0.2500 ", "one seed", "1/1"]
    assert plain[2] == "one seed"


@pytest.mark.parametrize(("metric", "better"), [("accuracy", "higher"), ("rmse", "lower")])
def test_the_title_says_which_scores_are_better(metric: str, better: str) -> None:
    title = show.ranking(make_study({"": [0.5, 0.5]}, metric)).title
    assert title == f"{metric} on the validation part ({better} is better), 2 seeds; * significant"


def test_the_plain_network_is_bold() -> None:
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
