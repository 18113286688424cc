"""`fit_many`: its arguments, its errors, initial weights, Ctrl-C, and its side effects, of which it has none."""

from __future__ import annotations

import copy
import itertools
import random
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.models import build, initialize
from goodfit.recipe import Recipe
from goodfit.rng import stream
from goodfit.techniques import L2
from goodfit.testing.data import make_images
from goodfit.train.config import Training
from goodfit.train.evaluate import rows_per_pass
from goodfit.train.fit import fit
from goodfit.train.fit_many import fit_many
from goodfit.train.population import population, scheduler
from goodfit.train.population.vectorized import MemberBatch
from goodfit.train.run import Run
from goodfit.train.trainer import Trainer

together = partial(fit_many, population=True)
SHORT = Training(epochs=2, batch_size=16)
UNCHANGED = Training(epochs=1, learning_rate=1e-300, optimizer="sgd")  # its steps change no weight
INTERRUPTED = "training: interrupted by the user before the first epoch of this run was completed."
RECIPES = ("dropout=0.2", "l2=0.01")
Make = Callable[..., nn.Sequential]


def assert_close(runs: Iterable[Run], others: Iterable[Run], tolerance: float) -> None:
    for run, other in zip(runs, others, strict=True):
        assert (str(run.recipe), run.seed, run.epochs, run.network) == (
            str(other.recipe), other.seed, other.epochs, other.network,
        )  # fmt: skip
        for weights, expected in ((run.last, other.last), (run.best, other.best)):
            torch.testing.assert_close(weights, expected, rtol=tolerance, atol=tolerance)


# ---- initial weights -----------------------------------------------------------------------------------


def initial_weights(model: nn.Module | str, split: Split, **options: Any) -> list[dict[str, torch.Tensor]]:
    """The initial weights of each run: for two recipes with seeds 3 and 5."""
    runs: Any = together(model, split, RECIPES, UNCHANGED, seeds=(3, 5), **options)
    return [run.last for run in runs]


def assert_initial(runs: list[dict[str, torch.Tensor]], *expected: nn.Module) -> None:
    for weights, network in zip(runs, [*expected] * len(RECIPES), strict=True):
        assert weights.keys() == network.state_dict().keys()
        assert all(torch.equal(weights[name], tensor) for name, tensor in network.state_dict().items())


@pytest.mark.parametrize("fresh", [False, True])
def test_the_seed_gives_the_initial_weights_of_a_reference_network(fresh: bool, three_class_split: Split) -> None:
    built = (build("mlp:8-4", (6,), 3, stream(seed, 0, "init")) for seed in (3, 5))
    assert_initial(initial_weights("mlp:8-4", three_class_split, fresh=fresh), *built)


def test_a_module_starts_with_its_own_weights(three_class_split: Split, make_net: Make) -> None:
    model = make_net(gain=1.5)
    assert_initial(initial_weights(model, three_class_split), model, model)


def test_fresh_gives_a_module_new_initial_weights_from_each_seed(three_class_split: Split, make_net: Make) -> None:
    model = make_net(gain=1.5)
    assert_initial(initial_weights(model, three_class_split, fresh=True), initialize(model, 3), initialize(model, 5))


@pytest.mark.parametrize("population", [True, False, None])
def test_fresh_runs_equal_those_of_fit(
    population: bool | None, three_class_split: Split, to_double: Any, make_net: Make
) -> None:
    model, split = make_net().double(), to_double(three_class_split)
    runs = fit_many(model, split, RECIPES, SHORT, seeds=(3, 5), fresh=True, population=population)
    others = [fit(initialize(model, s), split, r, SHORT, seed=s) for r in RECIPES for s in (3, 5)]
    assert_close(runs, others, 1e-12)


@pytest.mark.parametrize("population", [True, False, None])
def test_runs_of_a_reference_network_equal_those_of_fit(population: bool | None, three_class_split: Split) -> None:
    runs = fit_many("mlp:8", three_class_split, RECIPES, SHORT, seeds=(3, 5), population=population)
    assert_close(runs, [fit("mlp:8", three_class_split, r, SHORT, seed=s) for r in RECIPES for s in (3, 5)], 1e-5)


# ---- side effects --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fresh", [False, True])
def test_the_network_is_not_changed(fresh: bool, three_class_split: Split, make_net: Make) -> None:
    model = make_net()
    model.insert(1, nn.BatchNorm1d(8))
    model.eval()
    before, hooks = copy.deepcopy(model.state_dict()), [len(m._forward_pre_hooks) for m in model.modules()]
    runs = together(
        model, three_class_split, [*RECIPES, "batch_norm", "snapshot_ensemble"], SHORT, seeds=(0, 1), fresh=fresh
    )
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())
    assert [len(m._forward_pre_hooks) for m in model.modules()] == hooks
    assert not model.training
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    networks = [id(p) for run in runs for p in run.model.parameters()]
    assert len(set(networks)) == len(networks)


@pytest.mark.parametrize("model", ["mlp:8", "module"])
def test_global_generators_are_not_changed(model: str, three_class_split: Split, make_net: Make) -> None:
    network = make_net() if model == "module" else model
    before = torch.get_rng_state(), np.random.get_state()[1], random.getstate()
    together(
        network,
        three_class_split,
        [*RECIPES, "mixup", "class_balance", "snapshot_ensemble"],
        SHORT,
        seeds=(0, 1),
        fresh=True,
    )
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert random.getstate() == before[2]


def test_results_do_not_depend_on_global_generators(three_class_split: Split, make_net: Make) -> None:
    model = make_net()
    model.insert(2, nn.Dropout(0.3))
    first = together(model, three_class_split, RECIPES, SHORT, seeds=(0, 1))
    with torch.random.fork_rng():
        torch.manual_seed(12345)
        assert_close(together(model, three_class_split, RECIPES, SHORT, seeds=(0, 1)), first, 0.0)


# ---- arguments -----------------------------------------------------------------------------------------


def test_recipes_may_be_techniques_recipes_or_texts(three_class_split: Split) -> None:
    runs = fit_many("mlp:4", three_class_split, [L2(0.1), Recipe.of("dropout=0.5"), ""], SHORT)
    assert [str(run.recipe) for run in runs] == ["l2=0.1", "dropout=0.5", "plain"]


def test_each_recipe_may_have_its_own_training(three_class_split: Split) -> None:
    trainings = [Training(epochs=epochs, learning_rate=rate) for epochs, rate in ((1, 0.1), (3, 0.01))]
    runs = fit_many("mlp:4", three_class_split, RECIPES, trainings, seeds=(0, 1))
    assert [(run.epochs, run.history["learning_rate"][-1]) for run in runs] == [
        (1, 0.1), (1, 0.1), (3, 0.01), (3, 0.01),
    ]  # fmt: skip


def test_a_custom_loss(three_class_split: Split, to_double: Any, make_net: Make) -> None:
    model, split, loss = (
        make_net().double(),
        to_double(three_class_split),
        nn.CrossEntropyLoss(reduction="none", label_smoothing=0.3),
    )
    runs = fit_many(model, split, RECIPES, SHORT, loss=loss)
    assert_close(runs, [fit(model, split, recipe, SHORT, loss=loss) for recipe in RECIPES], 1e-12)


@pytest.mark.parametrize("count", [1, 3])
def test_the_number_of_trainings_must_be_that_of_the_recipes(count: int, three_class_split: Split) -> None:
    with pytest.raises(InputError, match=rf"training must be one, or one for each recipe, got {count} for 2"):
        fit_many("mlp:4", three_class_split, RECIPES, [SHORT] * count)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("dropout(0.5, on='encoder.*')", "encoder"),
        ("target_noise=0.1", "target_noise"),
        ("early_stopping(monitor='auc')", "monitor"),
    ],
)
def test_an_invalid_recipe_is_refused_before_any_training(
    recipe: str, message: str, three_class_split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    monkeypatch.setattr(MemberBatch, "train_epoch", lambda batch: trained.append("population"))
    monkeypatch.setattr(scheduler, "fit_job", lambda *args: trained.append("solo"))
    with pytest.raises(InputError) as error:
        fit_many("mlp:4", three_class_split, ["", "l2=0.1", recipe], SHORT)
    assert message in str(error.value)
    assert str(error.value).endswith(f"(recipe '{Recipe.of(recipe)}')")
    assert not trained
    with pytest.raises(InputError) as solo:
        fit("mlp:4", three_class_split, recipe, SHORT)
    assert str(error.value).startswith(str(solo.value))


# ---- one by one ----------------------------------------------------------------------------------------


def test_population_false_trains_runs_one_by_one(
    three_class_split: Split, to_double: Any, make_net: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, split = make_net().double(), to_double(three_class_split)
    stacked: Any = together(model, split, RECIPES, SHORT, seeds=(0, 1))
    monkeypatch.setattr(scheduler.PopulationTrainer, "train", None)
    assert_close(fit_many(model, split, RECIPES, SHORT, seeds=(0, 1), population=False), stacked, 1e-12)


def test_runs_are_trained_one_by_one_if_that_is_faster(
    three_class_split: Split, make_net: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_net()
    monkeypatch.setattr(scheduler.Population, "prepare", lambda population, forced: False)
    monkeypatch.setattr(scheduler.PopulationTrainer, "train", None)
    runs = fit_many(model, three_class_split, RECIPES, SHORT, seeds=(0, 1))
    assert_close(
        runs, [fit(model, three_class_split, recipe, SHORT, seed=s) for recipe in RECIPES for s in (0, 1)], 0.0
    )


# ---- Ctrl-C --------------------------------------------------------------------------------------------


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """The function that simulates Ctrl-C at the start of an epoch of a population, numbered from 1."""

    def at(epoch: int) -> None:
        epochs, train_epoch = itertools.count(1), MemberBatch.train_epoch

        def stop(batch: MemberBatch) -> None:
            if next(epochs) == epoch:
                raise KeyboardInterrupt
            train_epoch(batch)

        monkeypatch.setattr(MemberBatch, "train_epoch", stop)

    return at


@pytest.mark.parametrize("recipes", [RECIPES, ("early_stopping=1", "ema=0.5")])
def test_an_interrupted_member_keeps_its_best_epoch(
    recipes: tuple[str, ...],
    three_class_split: Split,
    to_double: Any,
    make_net: Make,
    interrupted: Callable[[int], None],
) -> None:
    model, split = make_net().double(), to_double(three_class_split)
    interrupted(3)
    runs: Any = together(model, split, recipes, Training(epochs=9, learning_rate=0.1), seeds=(0, 1))
    others = [fit(model, split, r, Training(epochs=2, learning_rate=0.1), seed=s) for r in recipes for s in (0, 1)]
    assert_close(runs, others, 1e-12)
    for run, other in zip(runs, others, strict=True):
        assert (run.interrupted, run.stopped, run.kept) == (True, "interrupted by the user", "best")
        assert run.best_epoch == other.best_epoch
        torch.testing.assert_close(run.model.state_dict(), other.best, rtol=1e-12, atol=1e-12)


def test_runs_interrupted_in_their_first_epoch_have_failed(
    three_class_split: Split, interrupted: Callable[[int], None]
) -> None:
    interrupted(1)
    result = together("mlp:4", three_class_split, RECIPES, SHORT)
    assert not result.runs
    assert [str(run.recipe) for run in result.failed] == list(RECIPES)
    assert {str(run.error) for run in result.failed} == {INTERRUPTED}


def test_ctrl_c_while_other_runs_wait(
    three_class_split: Split, interrupted: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(population, "max_members", lambda *_: 2)
    interrupted(4)
    recipes = ["", "l2=0.1", "l2=0.2", "l2=0.3", "sam", "snapshot_ensemble"]
    result = together("mlp:4", three_class_split, recipes, SHORT)
    assert sorted(str(run.recipe) for run in result.runs) == ["l2=0.1", "l2=0.2", "l2=0.3", "plain"]
    # Two runs were trained for two epochs; the two that followed were interrupted in their second epoch.
    assert sorted((run.interrupted, run.epochs) for run in result.runs) == [(False, 2)] * 2 + [(True, 1)] * 2
    assert [str(run.recipe) for run in result.failed] == ["sam=0.05", "snapshot_ensemble"]
    assert {str(run.error) for run in result.failed} == {INTERRUPTED}


@pytest.mark.parametrize("recipe", ["l2=1e-3", Recipe.of("l2=1e-3"), L2(1e-3)])
def test_a_single_recipe_is_not_a_list(recipe: Any, three_class_split: Split) -> None:
    with pytest.raises(InputError, match="fit_many: recipes must be a list, got"):
        fit_many("mlp:4", three_class_split, recipe)


def test_a_run_interrupted_in_its_first_epoch_has_failed(
    three_class_split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(trainer: Trainer, epoch: int) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(Trainer, "train_epoch", interrupt)
    result = fit_many("mlp:4", three_class_split, ["", "l2=1e-3"], Training(epochs=1), population=False)
    assert len(result) == 0
    assert len(result.failed) == 2
    assert list(result.frame()["recipe"]) == ["plain", "l2=0.001"]


def test_seeds_may_be_numbers_of_numpy_but_not_a_single_one(three_class_split: Split) -> None:
    result = fit_many("mlp:4", three_class_split, [""], Training(epochs=1), seeds=np.arange(2))  # type: ignore[arg-type]
    assert [run.seed for run in result] == [0, 1]
    with pytest.raises(InputError, match=r"fit_many: seeds must be a list, got seeds=3; pass range\(3\)"):
        fit_many("mlp:4", three_class_split, [""], seeds=3)  # type: ignore[arg-type]


def test_evaluation_batches_of_populations_are_those_of_solo_runs_where_they_matter() -> None:
    """Batch norm without running statistics depends on the rows that are evaluated together."""
    norm = nn.BatchNorm2d(4, track_running_stats=False)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), norm, nn.Flatten(), nn.Linear(4 * 36, 3))
    split, training = make_images(rows=300), Training(epochs=1, batch_size=64)
    assert len(split.train) > rows_per_pass(split.train.x)
    solo = fit(network, split, "", training, seed=1, progress=False)
    members = fit_many(network, split, [""], training, seeds=[1, 2], population=True, progress=False)
    for column in ("train_loss", "stop_loss"):
        assert members[0].row[column] == pytest.approx(solo.row[column], rel=1e-5)
