"""Members have their own settings, rows and end of training, and do not depend on the other members."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from goodfit.data import Split, load
from goodfit.errors import TrainingError
from goodfit.train.config import Training
from goodfit.train.fit_many import fit_many
from goodfit.train.population import population
from goodfit.train.population.population import MAX_MEMBERS
from goodfit.train.run import Run

together = partial(fit_many, population=True)
Doubled = Callable[[Split], Split]
SGD = {"epochs": 4, "batch_size": 16, "optimizer": "sgd"}


@pytest.fixture
def model(make_net: Callable[..., nn.Sequential]) -> nn.Module:
    """A small network in double precision, with weights large enough for constraints to act."""
    return make_net(gain=1.5).double()


@pytest.fixture
def unequal(three_class_split: Split, to_double: Doubled) -> dict[int, Split]:
    """Splits of 96, 75 and 67 training rows: 6, 5 and 4 batches of 16, the last ones of 16, 11 and 19 rows."""
    x, y = (
        torch.cat([getattr(part, name) for part in three_class_split.parts.values()]).numpy() for name in ("x", "y")
    )
    sizes = {0: (0.6, 0.1, 0.15, 0.15), 1: (0.47, 0.23, 0.15, 0.15), 2: (0.42, 0.1, 0.33, 0.15)}
    splits = {seed: to_double(load((x, y)).split(sizes=s, seed=seed)) for seed, s in sizes.items()}
    assert {len(split.train) for split in splits.values()} == {96, 75, 67}
    return splits


# ---- settings of each member ---------------------------------------------------------------------------


def test_members_have_their_own_training_settings(
    model: nn.Module, data: Split, train_alone: Any, assert_equal: Any, solo_runs: list[Any]
) -> None:
    adam: list[dict[str, Any]] = [
        {}, {"learning_rate": 0.1}, {"beta1": 0.5}, {"beta2": 0.9}, {"schedule": "cosine", "warmup": 0.3},
        {"schedule": "step"}, {"epochs": 7, "schedule": "linear"},
    ]  # fmt: skip
    sgd: list[dict[str, Any]] = [{}, {"momentum": 0.0}, {"learning_rate": 0.1, "warmup": 0.5}]
    adamw: list[dict[str, Any]] = [{}, {"beta1": 0.5}]
    trainings = [
        Training.of({"epochs": 4, "batch_size": 16, "learning_rate": 0.01, "optimizer": name} | own)
        for name, several in (("adam", adam), ("sgd", sgd), ("adamw", adamw))
        for own in several
    ]
    recipes = [
        "label_smoothing=0.2, max_norm=1, l1=1e-3",
        "",
        "label_smoothing=0.1",
        "max_norm=2, weight_decay=0.1",
    ] * 3
    runs = together(model, data, recipes, trainings, seeds=(0, 1))
    assert not solo_runs
    assert_equal(runs, train_alone(model, data, recipes, trainings))


def test_members_have_their_own_rows(
    model: nn.Module, unequal: dict[int, Split], train_alone: Any, assert_equal: Any, solo_runs: list[Any]
) -> None:
    # The random bits of dropout are drawn for many steps at once, gaussian noise step by step.
    recipes = [
        "", "dropout=0.3", "dropout=0.3, gaussian_noise=0.1", "class_balance", "ema=0.9", "early_stopping=1",
        "fgsm=0.1", "class_weights", "lookahead(k=4)", "dropout=0.3, class_balance",
    ]  # fmt: skip
    training = Training.of(SGD | {"schedule": "cosine", "learning_rate": 0.05})
    runs = together(model, unequal, recipes, training)
    assert not solo_runs
    assert_equal(runs, train_alone(model, unequal, recipes, training))


def test_members_stop_independently(model: nn.Module, data: Split, train_alone: Any, assert_equal: Any) -> None:
    recipes = [
        "early_stopping=1",
        "early_stopping=4, dropout=0.5",
        "l2=0.1, early_stopping=2",
        "",
        "ema=0.9, up(strips=1, strip=1)",
    ]
    training = Training(epochs=30, batch_size=16, learning_rate=0.05)
    runs: Any = together(model, data, recipes, training, seeds=(0, 1))
    assert len({run.epochs for run in runs}) > 4
    assert any(run.kept == "best" and run.best_epoch < run.epochs for run in runs)
    assert_equal(runs, train_alone(model, data, recipes, training))


def test_waiting_runs_join_as_members_finish(
    model: nn.Module, unequal: dict[int, Split], train_alone: Any, assert_equal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(population, "max_members", lambda *_: 3)
    recipes = ["early_stopping=1", "dropout=0.5, early_stopping=2", "l2=0.1", "max_norm(1, schedule='linear')"]
    training = Training(epochs=8, batch_size=16, learning_rate=0.05)
    assert_equal(together(model, unequal, recipes, training), train_alone(model, unequal, recipes, training))


@pytest.mark.parametrize(
    ("data", "outputs", "loss"),
    [
        ("two_class_split", 2, "auto"),
        ("two_class_split", 1, "auto"),
        ("regression_split", 1, "auto"),
        ("regression_split", 1, "mae"),
        ("regression_split", 1, "huber"),
    ],
)
def test_tasks_and_losses(
    data: str,
    outputs: int,
    loss: str,
    request: Any,
    make_net: Any,
    to_double: Doubled,
    train_alone: Any,
    assert_equal: Any,
) -> None:
    split, model = to_double(request.getfixturevalue(data)), make_net(outputs).double()
    recipes = ["", "mixup=0.3" if data == "two_class_split" else "target_noise=0.2", "dropout=0.3, l2=0.01"]
    training = Training(epochs=3, batch_size=16, learning_rate=0.01, loss=loss)
    assert_equal(together(model, split, recipes, training), train_alone(model, split, recipes, training, [0]))


# ---- numbers that are not finite -----------------------------------------------------------------------


def test_a_member_that_diverges_in_its_first_epoch_has_failed(
    model: nn.Module, data: Split, train_alone: Any, assert_equal: Any
) -> None:
    trainings = [Training.of(SGD | {"learning_rate": rate}) for rate in (0.01, 1e30, 0.1)]
    recipes = ["dropout=0.3", "", "l2=0.01"]
    result = together(model, data, recipes, trainings)
    (failed,) = result.failed
    assert str(failed.recipe) == "plain"
    with pytest.raises(TrainingError) as solo:
        train_alone(model, data, [""], trainings[1], [0])
    assert str(failed.error) == str(solo.value)
    assert_equal(result.runs, train_alone(model, data, recipes[::2], trainings[::2], [0]))


def test_a_member_that_diverges_keeps_its_best_epoch(
    regression_split: Split, to_double: Doubled, train_alone: Any, assert_equal: Any
) -> None:
    split, model = to_double(regression_split), nn.Linear(6, 1).double()
    trainings = [Training.of(SGD | {"epochs": 12, "learning_rate": rate}) for rate in (0.01, 3e4, 0.1)]
    runs: Any = together(model, split, ["", "", ""], trainings)
    steady, diverged, other = runs
    assert isinstance(diverged, Run)
    assert 0 < diverged.epochs < 12
    assert (diverged.kept, diverged.stopped.partition(" became ")[0]) == ("best", "the loss")
    assert (steady.epochs, other.epochs) == (12, 12)
    assert_equal(runs, train_alone(model, split, ["", "", ""], trainings, [0]))


# ---- other members -------------------------------------------------------------------------------------


def test_a_run_does_not_depend_on_the_other_members(model: nn.Module, data: Split, assert_equal: Any) -> None:
    training = Training(epochs=3, batch_size=16, learning_rate=0.01)
    one = ["dropout=0.3, l2=0.01", "max_norm=1"]
    many = [f"dropout={0.02 * i}, l2=0.01" for i in range(1, 15)] + one + ["gaussian_noise=0.2", "sam=0.1", "ema=0.9"]
    few = together(model, data, one, training, seeds=(0, 1))
    all_runs = together(model, data, many, training, seeds=(1, 3, 0))
    assert len(all_runs) > MAX_MEMBERS

    def chosen(recipe: str, seed: int) -> Any:
        return all_runs[3 * many.index(recipe) + (1, 3, 0).index(seed)]

    assert_equal([chosen(recipe, seed) for recipe in one for seed in (0, 1)], few, 1e-12)


@pytest.mark.parametrize("order", [[2, 0, 3, 1], [3, 2, 1, 0]])
def test_results_are_in_the_order_of_recipes_and_seeds(
    order: Sequence[int], model: nn.Module, data: Split, assert_equal: Any
) -> None:
    recipes = ["l2=0.1", "", "sam=0.1, dropout=0.2", "dropout=0.4, max_norm=1"]
    training = Training(epochs=2, batch_size=16, learning_rate=0.01)
    runs: Any = together(model, data, recipes, training, seeds=(0, 4))
    reordered: Any = together(model, data, [recipes[i] for i in order], training, seeds=(4, 0))
    assert [(str(run.recipe), run.seed) for run in reordered] == [
        (str(runs[2 * i].recipe), seed) for i in order for seed in (4, 0)
    ]
    assert_equal(reordered, [runs[2 * i + j] for i in order for j in (1, 0)], 1e-12)
