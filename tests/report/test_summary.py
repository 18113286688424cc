"""What a report says about a study in words."""

from __future__ import annotations

import dataclasses
import math
import re
from types import SimpleNamespace
from typing import Any

from goodfit.data import TaskSpec, load
from goodfit.recipe import Recipe
from goodfit.report import headline, interval_text
from goodfit.report.summary import study_facts, study_notes
from goodfit.study import Study, Trial, run_study
from goodfit.study.candidates import Candidate
from goodfit.study.statistics import Estimate
from goodfit.train.config import Training


def by_hand(scores: dict[str, list[float | None]], metric: str = "accuracy") -> Study:
    """Make a study from the scores of each recipe; None is a failed run."""
    trials = []
    for text, values in scores.items():
        for seed, value in enumerate(values):
            run: Any = None if value is None else SimpleNamespace(epochs=0)
            score = math.nan if value is None else value
            trials.append(Trial(Candidate(text or "plain", Recipe.of(text)), seed, score, 0.0, 1.0, run))
    spec = TaskSpec("classification", "y", ("a", "b"), (4,), 2, "hand")
    rows = {"train": 100, "stop": 20, "validation": 25, "test": 25}
    return Study("hand", spec, metric, "mlp", Training(), (0, 1), rows, trials)


def test_headline_of_a_significantly_better_recipe() -> None:
    text = headline(by_hand({"": [0.50, 0.60], "l2=0.1": [0.90, 1.0]}))
    assert re.fullmatch(
        r"Best recipe: l2=0\.1, \+0\.4000 accuracy vs\. plain, 95 % interval \[\+0\.\d{4}, \+0\.\d{4}\], 2 seeds\. "
        r"Significantly better: the interval excludes 0\.",
        text,
    )


def test_headline_of_a_difference_that_is_not_significant() -> None:
    text = headline(by_hand({"": [0.50, 0.60], "l2=0.1": [0.70, 0.5]}))
    assert text.startswith("Best recipe: l2=0.1, +0.0500 accuracy vs. plain, 95 % interval [-")
    assert text.endswith("2 seeds. Not significant: the interval includes 0. Use more seeds.")


def test_headline_of_a_best_recipe_that_is_worse_where_plain_was_finished_too() -> None:
    text = headline(by_hand({"": [0.9, 0.9, 0.0], "l2=0.1": [0.65, 0.65, None]}))
    assert text.startswith("Best recipe: l2=0.1, -0.2500 accuracy vs. plain")
    assert text.endswith(
        "2 seeds. Significantly worse in the seeds in which both were finished: the interval excludes 0."
    )


def test_headline_where_plain_is_best() -> None:
    assert (
        headline(by_hand({"": [0.5, 0.6], "l2=0.1": [0.1, 0.1]}))
        == "No recipe is better than the plain network (accuracy 0.5500)."
    )


def test_headline_of_an_error_is_negative() -> None:
    text = headline(by_hand({"": [0.5, 0.6], "l2=0.1": [0.1, 0.2]}, metric="rmse"))
    assert text.startswith("Best recipe: l2=0.1, -0.4000 rmse vs. plain")


def test_headline_where_plain_failed() -> None:
    text = headline(by_hand({"": [None, None], "l2=0.1": [0.1, 0.2]}))
    assert text == "Best recipe: l2=0.1 (accuracy 0.1500). No plain run was finished."


def test_headline_where_nothing_was_finished() -> None:
    assert headline(by_hand({"": [None]})) == "No run was finished."


def test_one_seed_has_no_interval_to_show() -> None:
    assert interval_text(Estimate(0.5, -math.inf, math.inf, 1)) == "0.5000 (one seed: no interval)"
    assert interval_text(Estimate(0.5, 0.25, 0.75, 2), 2) == "0.50 [0.25, 0.75]"


def test_the_headline_of_one_seed_has_no_interval() -> None:
    study = run_study(load("iris"), "mlp:4", ["batch_norm"], Training(epochs=2), seeds=1, progress=False)
    study.trials = [dataclasses.replace(o, score=0.5 + 0.25 * i) for i, o in enumerate(study.trials)]
    text = headline(study)
    assert "inf" not in text
    assert text == "Best recipe: batch_norm, +0.2500 accuracy vs. plain. One seed gives no interval; use more seeds."


def test_facts_name_data_network_training_and_size() -> None:
    best: Any = SimpleNamespace(metadata={"parameters": 1234})
    assert study_facts(by_hand({"": [0.5, 0.6], "l2=0.1": [0.9, None]}), best) == (
        ("Data", "hand"),
        ("Target", "y (2 classes)"),
        ("Rows", "train 100, stop 20, validation 25, test 25"),
        ("Network", "mlp, 1,234 parameters"),
        ("Training", "adam, learning rate 0.001, batch size 64, up to 30 epochs"),
        ("Seeds", "2"),
        ("Runs", "4 in 4 s"),
    )


def test_notes_of_one_seed_without_a_recipe() -> None:
    study = dataclasses.replace(by_hand({"": [0.5]}), seeds=(0,))
    assert study_notes(study)[1:] == [
        "1 seed gives no interval. Use --seeds 6 or more before you rely on a small difference."
    ]


def test_notes_warn_about_few_seeds_units_and_the_test_part() -> None:
    study = by_hand({"": [0.5, 0.6], "l2=0.1": [0.9, 0.9]}, metric="rmse")
    notes = study_notes(study)
    assert len(notes) == 4
    assert notes[1].startswith("With 1 recipe compared, ")
    assert notes[2].startswith("2 seeds give wide intervals")
    assert notes[3] == "rmse is in standard deviations of the target over the training rows."
    tested = dataclasses.replace(
        study, metric="accuracy", seeds=tuple(range(6)), test={"plain": Estimate(0.5, 0, 1, 9)}
    )
    assert study_notes(tested)[2:] == ["The test part was used once, after the best recipe was chosen."]
