"""The order of a step is defined once: `fit`, populations and `attach` follow it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.recipe import Recipe
from goodfit.stages import OnEpoch, OnSample
from goodfit.techniques import ALL
from goodfit.train import phases, prepare
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.fit_many import fit_many
from goodfit.train.manual_loop.attach import attach
from goodfit.train.phases import ALWAYS, TECHNIQUES, Phase, in_order, phases_of
from goodfit.train.population import program
from goodfit.train.run import Weights, snapshot

SETTINGS = Training(epochs=2, batch_size=48, optimizer="sgd", learning_rate=0.1)
Order = list[Phase]


def test_the_order_of_a_step() -> None:
    assert [phase.name for phase in Phase] == [
        "BATCH", "FORWARD", "LOSS_TERMS", "GRADIENTS", "SMOOTH_PENALTIES", "DECAY", "COUPLED_L2", "OPTIMIZER",
        "CAUTIOUS_DECAY", "PROXIMAL", "PROJECTION", "AVERAGING",
    ]  # fmt: skip
    assert set(TECHNIQUES) == set(Phase)


@pytest.mark.parametrize(
    ("recipe", "names"),
    [
        ("", ""),
        ("early_stopping, class_balance", ""),
        ("orthogonal=0.1, l2=0.1", "SMOOTH_PENALTIES COUPLED_L2"),
        ("max_norm=1, weight_decay=0.1", "DECAY CAUTIOUS_DECAY PROJECTION"),
        ("ema, sam, dropout, mixup", "BATCH AVERAGING"),
        ("r_drop, l1=0.1", "LOSS_TERMS PROXIMAL"),
    ],
)
def test_a_plan_has_the_phases_that_its_recipe_needs(recipe: str, names: str) -> None:
    expected = {Phase[name] for name in names.split()} | set(ALWAYS)
    assert phases_of(Recipe.of(recipe)) == tuple(phase for phase in Phase if phase in expected)


@pytest.mark.parametrize("name", ALL)
def test_a_technique_that_acts_in_a_step_adds_a_phase(name: str) -> None:
    kinds = tuple(kind for phase in Phase for kind in TECHNIQUES[phase])
    assert issubclass(ALL[name], kinds) != issubclass(ALL[name], OnEpoch | OnSample)


def test_handlers_run_in_the_order_of_the_phases() -> None:
    calls: list[str] = []
    handlers = {phase: (lambda name=phase.name: calls.append(name)) for phase in (Phase.PROXIMAL, Phase.DECAY)}
    for handler in in_order([Phase.DECAY, Phase.OPTIMIZER, Phase.PROXIMAL], handlers):
        handler()
    assert calls == ["DECAY", "PROXIMAL"]


# ---- one order for all trainers ------------------------------------------------------------------------


def decay_after_optimizer(order: Order) -> Order:
    """The decay sees the weights after the optimizer's step."""
    order.remove(Phase.DECAY)
    order.insert(order.index(Phase.OPTIMIZER) + 1, Phase.DECAY)
    return order


def projection_before_proximal(order: Order) -> Order:
    """The constraint holds before the proximal step, which then shrinks the weights further."""
    order.remove(Phase.PROJECTION)
    order.insert(order.index(Phase.PROXIMAL), Phase.PROJECTION)
    return order


def train_everywhere(model: nn.Module, split: Split, recipe: str) -> dict[str, Weights]:
    """The weights after training by `fit`, in a population, and with `attach`."""
    population = fit_many(model, split, [recipe, f"{recipe}, dropout=0.0"], SETTINGS, population=True)
    weights = {"fit": fit(model, split, recipe, SETTINGS).last, "population": population.runs[0].last}
    x, y = split.train.x, split.train.y
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    with attach(model, recipe, optimizer, data=(x, y), epochs=2, steps_per_epoch=2) as reg:
        for _ in range(2):
            for rows in reg.rows().split(48):
                F.cross_entropy(model(x[rows]), y[rows]).backward()
                reg.step()
            reg.end_epoch()
    return weights | {"attach": snapshot(model)}


@pytest.mark.parametrize(
    ("recipe", "change"),
    [
        ("weight_decay=0.5", decay_after_optimizer),
        ("l1=0.05, max_norm=0.5", projection_before_proximal),
    ],
)
def test_all_trainers_follow_the_phases(
    recipe: str,
    change: Callable[[Order], Order],
    three_class_split: Split,
    to_double: Callable[[Split], Split],
    make_net: Callable[..., nn.Sequential],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    split = to_double(three_class_split)
    usual = train_everywhere(make_net(gain=2.0).double(), split, recipe)

    def reordered(recipe: Recipe) -> tuple[Phase, ...]:
        return tuple(change([*phases_of(recipe)]))

    for module in (phases, prepare, program):
        monkeypatch.setattr(module, "phases_of", reordered)
    changed = train_everywhere(make_net(gain=2.0).double(), split, recipe)
    for name, weight in usual["fit"].items():
        for other in ("population", "attach"):
            torch.testing.assert_close(usual[other][name], weight, rtol=1e-9, atol=1e-11)
            torch.testing.assert_close(changed[other][name], changed["fit"][name], rtol=1e-9, atol=1e-11)
    assert not torch.allclose(changed["fit"]["0.weight"], usual["fit"]["0.weight"], rtol=1e-3)


def test_a_phase_that_is_left_out_does_not_act_in_any_trainer(
    three_class_split: Split,
    to_double: Callable[[Split], Split],
    make_net: Callable[..., nn.Sequential],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    split: Any = to_double(three_class_split)
    plain = fit(make_net().double(), split, "", SETTINGS).last
    for module in (prepare, program):
        monkeypatch.setattr(module, "phases_of", lambda recipe: ALWAYS)
    for weights in train_everywhere(make_net().double(), split, "max_norm=0.1").values():
        for name, weight in plain.items():
            torch.testing.assert_close(weights[name], weight, rtol=1e-9, atol=1e-11)
