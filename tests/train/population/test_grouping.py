"""Grouping: which runs one program can train."""

from __future__ import annotations

import pytest
from torch import nn

from goodfit.recipe import Recipe
from goodfit.techniques import SAM, Dropout, MaxNorm, NoisyLinear
from goodfit.train.config import Training
from goodfit.train.population.grouping import (
    SHARED,
    Structure,
    form,
    group,
    mergeable,
    neutral,
    not_vectorizable,
    program_techniques,
    shared_settings,
    template_recipe,
)


def grouped(*recipes: str) -> list[list[int]]:
    """The numbers of the recipes of each program."""
    return sorted(sorted(numbers) for _, numbers in group([("", Recipe.of(recipe)) for recipe in recipes]))


@pytest.mark.parametrize(
    ("recipes", "together"),
    [
        pytest.param(["", "l2=0.1", "dropout=0.5", "dropout=0.1, l2=1.0"], [[0, 1, 2, 3]], id="mergeable techniques"),
        pytest.param(["", "early_stopping=3", "class_balance"], [[0, 1, 2]], id="techniques outside the program"),
        pytest.param(["l2=0.1, max_norm=1", "l1=0.1, max_norm=2"], [[0, 1]], id="some techniques in common"),
        pytest.param(["dropout=0.5, l2=0.1", "l2=0.1, dropout=0.5"], [[0, 1]], id="an order that has no effect"),
        pytest.param(["l2=0.1, l1=0.1", "l1=0.1, l2=0.1"], [[0], [1]], id="orders that contradict each other"),
        pytest.param(["l2=0.1, l1=0.1", "l1=0.1", "l1=0.2, max_norm=1", "l2=1.0"], [[0, 1, 2, 3]], id="same order"),
        pytest.param(["dropout(0.5, on=first)", "dropout=0.5"], [[0, 1]], id="different selectors"),
        pytest.param(
            ["drop_path(0.2, linear=False)", "drop_path(0.2)", "drop_path(0.5)"], [[0], [1, 2]],
            id="different fixed knobs",
        ),
        pytest.param(["l2=0.1", "l2(0.1, schedule='cosine')"], [[0, 1]], id="different schedules"),
        pytest.param(["", "sam", "sam=0.2", "sam=0.1, l2=0.1", "l2=0.1"], [[0, 4], [1, 2, 3]], id="expensive"),
        pytest.param(["", "batch_norm", "batch_norm, l2=0.1"], [[0], [1, 2]], id="inserted layers"),
        pytest.param(["", "noisy_linear", "noisy_linear, l2=0.1"], [[0], [1, 2]], id="learned strengths"),
        pytest.param(["ema", "swa", "ema=0.5"], [[0, 2], [1]], id="different averages"),
        pytest.param(["ema", "", "l2=0.1"], [[0, 1, 2]], id="with and without an average"),
    ],
)  # fmt: skip
def test_group(recipes: list[str], together: list[list[int]]) -> None:
    assert grouped(*recipes) == together
    backwards = [sorted(len(recipes) - 1 - i for i in numbers) for numbers in together]
    assert grouped(*reversed(recipes)) == sorted(backwards)


def test_shared_settings_must_be_equal() -> None:
    other = {"batch_size": 8, "optimizer": "sgd", "loss": "mse", "metric": "f1_macro", "accumulate": 2}
    assert set(other) == set(SHARED)
    for name, value in other.items():
        keys = [shared_settings(Training()), shared_settings(Training.of({name: value}))]
        assert len(group([(key, Recipe()) for key in keys])) == 2
    own = [Training(), Training(learning_rate=0.1, beta1=0.5, momentum=0.1, schedule="cosine", warmup=0.5, epochs=3)]
    assert len(group([(shared_settings(training), Recipe()) for training in own])) == 1


def test_aligning_a_recipe_adds_neutral_techniques() -> None:
    structure = Structure("", program_techniques(Recipe.of("l2=0.1, dropout=0.5, max_norm=1, early_stopping=3")))
    aligned, own = structure.align(Recipe.of("early_stopping=3, max_norm(2.0, schedule='late')"))
    assert [t.name() for t in aligned] == [t.name() for t in structure.techniques]
    assert dict(zip((t.name() for t in aligned), own, strict=True)) == {"l2": False, "dropout": False, "max_norm": True}
    assert all(technique.idle() != is_own for technique, is_own in zip(aligned, own, strict=True))
    assert aligned.techniques[-1] == MaxNorm(2.0, schedule="late")


def test_neutral_removes_the_schedule() -> None:
    assert neutral(Dropout(0.5, input_rate=0.2, on="first", schedule="late")) == Dropout(
        0.0, input_rate=0.0, on="first"
    )


def test_form_ignores_strengths_and_schedule() -> None:
    assert form(SAM(0.1)) == form(SAM(0.3))
    assert form(Dropout(0.1, schedule="late")) == form(Dropout(0.2))
    assert form(Dropout(0.1)) != form(Dropout(0.1, on="last"))
    idle = neutral(NoisyLinear())
    assert form(NoisyLinear()) != form(idle)
    assert mergeable(Dropout())
    assert not any(map(mergeable, (SAM(), NoisyLinear())))


def test_the_template_acts_wherever_a_member_does() -> None:
    recipes = [Recipe.of("dropout=0, l2=0.1"), Recipe.of("dropout(0, input_rate=0.2), l2=0")]
    structure = Structure("", program_techniques(recipes[0]))
    template = template_recipe(structure, [structure.align(recipe)[0] for recipe in recipes])
    assert {t.name(): t.idle() for t in template} == {"dropout": False, "l2": False}
    assert template.at(Dropout)[0].input_rate == 0.2


@pytest.mark.parametrize(
    ("model", "recipe", "training", "reason"),
    [
        (nn.Linear(2, 2), "l2=0.1, dropout=0.5, sam, ema, noisy_linear", Training(), ""),
        (nn.Sequential(nn.GRU(2, 2)), "", Training(), "layer '0' (GRU)"),
        (nn.Linear(2, 2), "snapshot_ensemble", Training(), "snapshot_ensemble: "),
        (nn.Linear(2, 2), "noisy_linear(0.1, schedule='late')", Training(), "noisy_linear: it is learned"),
        (nn.Linear(2, 2), "", Training(accumulate=2), "accumulate: "),
        (nn.Linear(2, 2), "batch_norm, ema", Training(), "ema: batch norm statistics"),
        (nn.Sequential(nn.BatchNorm1d(2)), "swa", Training(), "swa: batch norm statistics"),
        (nn.Sequential(nn.BatchNorm1d(2)), "batch_norm", Training(), ""),
    ],
)
def test_reasons_why_a_run_is_trained_alone(model: nn.Module, recipe: str, training: Training, reason: str) -> None:
    result = not_vectorizable(model, Recipe.of(recipe), training)
    assert result.startswith(reason)
    assert bool(result) == bool(reason)
