"""The jobs of `fit_many` are prepared before training, for every recipe and split; what they share is computed once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from goodfit.data import Split, load
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.train import prepare
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.fit_many import fit_many
from goodfit.train.population import jobs
from goodfit.train.population.jobs import Networks, Planner

SHORT = Training(epochs=1, batch_size=16)
Change = Callable[[Tensor], Tensor]


def with_inputs(split: Split, change: Change) -> Split:
    """The split with changed inputs, and their shape in its spec."""
    parts: dict[str, Any] = {name: dataclasses.replace(p, x=change(p.x)) for name, p in split.parts.items()}
    shape = tuple(parts["train"].x.shape[1:])
    return dataclasses.replace(split, **parts, spec=dataclasses.replace(split.spec, input_shape=shape))


def without_last_column(x: Tensor) -> Tensor:
    return x[:, :5]


# ---- shared work ---------------------------------------------------------------------------------------


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The calls of functions whose result several recipes can share."""
    names: list[str] = []

    def record(module: Any, name: str) -> None:
        original = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *args: (names.append(name), original(*args))[1])

    record(jobs, "build")
    record(prepare, "warn_if_nondeterministic")
    record(prepare, "_check_fit")
    return names


def test_recipes_of_one_structure_share_network_and_checks(three_class_split: Split, calls: list[str]) -> None:
    planner = Planner(Networks("mlp:8", fresh=False), None)
    for i in range(1, 6):
        training = Training(learning_rate=0.1 * i, epochs=i)
        planner(three_class_split, Recipe.of(f"l2={i}, max_norm={i}, dropout(0.1, schedule=cosine)"), training)
    assert calls == ["build", "warn_if_nondeterministic", "_check_fit"]


def test_runs_have_the_metadata_of_fit(three_class_split: Split) -> None:
    x, y = (
        torch.cat([getattr(part, name) for part in three_class_split.parts.values()]).numpy() for name in ("x", "y")
    )
    sizes = {0: (0.6, 0.1, 0.15, 0.15), 3: (0.05, 0.65, 0.15, 0.15)}
    splits = {seed: load((x, y)).split(sizes=some, seed=seed) for seed, some in sizes.items()}
    splits[5] = with_inputs(splits[0], without_last_column)
    recipes = ["batch_norm, l2=0.25", "batch_norm, l2=0.5", "dropout=0.3", "dropout=0.0", ""]
    training = Training(epochs=2, batch_size=32)
    runs: Any = fit_many("mlp:4", splits, recipes, training, population=True)
    solo = [fit("mlp:4", split, r, training, seed=seed) for r in recipes for seed, split in splits.items()]
    assert [run.metadata for run in runs] == [run.metadata for run in solo]
    messages, acts = ([str(run.metadata[name]) for run in runs[:3]] for name in ("warnings", "acts"))
    assert messages[0] == messages[2] != messages[1]  # a warning about the 8 training rows of seed 3
    assert acts[0] == acts[1] != acts[2]  # the data of seed 5 have one column less


# ---- errors --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recipes", "message"),
    [
        (
            ["dropout(0.5, input_rate=0.1, on='first')", "dropout(0.5, on='first')"],
            "Dropout: the network must have",
        ),
        (["l2=0.1", "l2(0.1, on='encoder.*')"], "L2: on must match"),
        (["max_norm=1, min_max_norm(min_value=0.5)", "max_norm=0.4, min_max_norm(min_value=0.5)"], "requires norms"),
        (["early_stopping=5", "early_stopping(5, monitor='stop_auc')"], "EarlyStopping: monitor must be one of"),
    ],
)
def test_a_recipe_that_does_not_fit_is_refused_also_next_to_a_similar_one_that_fits(
    recipes: list[str], message: str, three_class_split: Split
) -> None:
    fit_many("mlp:4", three_class_split, recipes[:1], SHORT)
    with pytest.raises(InputError, match=message) as error:
        fit_many("mlp:4", three_class_split, recipes, SHORT)
    with pytest.raises(InputError) as solo:
        fit("mlp:4", three_class_split, recipes[1], SHORT)
    assert str(error.value) == f"{solo.value} (recipe '{Recipe.of(recipes[1])}')"


def test_training_settings_that_do_not_fit_are_refused_next_to_others_that_fit(three_class_split: Split) -> None:
    planner, recipe = Planner(Networks("mlp:4", fresh=False), None), Recipe.of("batch_norm")
    planner(three_class_split, recipe, SHORT)
    with pytest.raises(InputError, match="batch norm needs at least two rows at a time, got batch_size=1"):
        planner(three_class_split, recipe, Training(batch_size=1))


@pytest.mark.parametrize(
    ("change", "recipe", "message"),
    [
        (
            without_last_column,
            "l2=0.1",
            r"shape \(2, 5\).*rows have the shape \(5,\), those of seed 0 \(6,\): give splits of one",
        ),
        (lambda x: x.double(), "l2=0.1", r"it cannot take a batch of shape \(2, 6\).*\(split of seed 2\)"),
        (lambda x: x.clamp(0, 3).long(), "mixup", r"it cannot take a batch of shape \(2, 6\).*\(split of seed 2\)"),
    ],
)
def test_a_split_that_does_not_fit_is_refused_next_to_others_that_fit(
    change: Change, recipe: str, message: str, three_class_split: Split, make_net: Callable[..., nn.Module]
) -> None:
    with pytest.raises(InputError, match=message):
        fit_many(
            make_net(),
            {0: three_class_split, 1: three_class_split, 2: with_inputs(three_class_split, change)},
            [recipe],
            SHORT,
        )


class LinearOfIntegers(nn.Linear):
    """Accepts integer inputs."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.float())


def test_an_error_names_the_recipe_and_the_split(three_class_split: Split) -> None:
    integers = with_inputs(three_class_split, lambda x: x.long())
    with pytest.raises(InputError, match=r"MixUp: the inputs.*\(recipe 'mixup=0.2'; split of seed 1\)"):
        fit_many(LinearOfIntegers(6, 3), {0: three_class_split, 1: integers}, ["", "mixup=0.2"], SHORT)


def test_splits_of_two_tasks_are_refused(three_class_split: Split, regression_split: Split) -> None:
    message = "must have one task, got classification with 3 output.s. for seed 4 and regression with 1 output"
    with pytest.raises(InputError, match=message):
        fit_many("mlp:4", {4: three_class_split, 1: regression_split}, [""], SHORT)


@pytest.mark.parametrize("seeds", [(), (0, 0), (-1,), (1.0,), (True,), ("0",)])
def test_invalid_seeds_are_refused(seeds: Any, three_class_split: Split) -> None:
    with pytest.raises(InputError, match="seeds must be different whole numbers of at least 0, got"):
        fit_many("mlp:4", three_class_split, [""], SHORT, seeds=seeds)
    if len(set(seeds)) == len(seeds):
        with pytest.raises(InputError, match="seeds must be different whole numbers of at least 0, got"):
            fit_many("mlp:4", dict.fromkeys(seeds, three_class_split), [""], SHORT)


@pytest.mark.parametrize("seeds", [(0,), (3, 0), (0, 3, 4)])
def test_seeds_must_be_those_of_the_splits(seeds: tuple[int, ...], three_class_split: Split) -> None:
    splits = {0: three_class_split, 3: three_class_split}
    with pytest.raises(InputError, match=r"seeds must be those of the splits, \(0, 3\), got .*; leave seeds out"):
        fit_many("mlp:4", splits, [""], SHORT, seeds=seeds)
    runs: Any = fit_many("mlp:4", splits, [""], SHORT, seeds=(0, 3))
    assert [run.seed for run in runs] == [0, 3]


def test_splits_with_other_class_names_are_checked_too(image_split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = dataclasses.replace(image_split.spec, classes=("cat", "dog", "fox"))
    splits = {0: image_split, 1: dataclasses.replace(image_split, spec=spec)}
    name = image_split.spec.classes[1]
    with pytest.raises(InputError, match=f"HorizontalFlip: classes must name classes of the data, got '{name}'"):
        fit_many("cnn:4", splits, [f"horizontal_flip(0.5, classes='{name}')"], SHORT, population=True)
