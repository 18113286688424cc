"""The phases that update weights, as functions of a member's tensors, equal those that act in place."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from goodfit.recipe import Recipe
from goodfit.stages import Clock
from goodfit.train.config import Training
from goodfit.train.optimizers import make_optimizer
from goodfit.train.phases import Phase, in_order
from goodfit.train.population.context import StackedContext
from goodfit.train.population.weight_update import WeightState, WeightUpdate
from goodfit.train.stages.on_weights import WeightUpdater

STEPS = 4
RECIPES = [
    "", "l2=0.1", "l1=0.05", "weight_decay=0.3", "weight_decay(0.3, cautious=true)", "orthogonal=0.1",
    "max_norm=0.5", "unit_norm", "spectral_norm=0.5", "group_lasso=0.05, l2(0.1, on=bias)",
    "elastic_net(l1=0.05, l2=0.1), max_norm=1, weight_decay=0.1",
]  # fmt: skip


def net() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Linear(5, 3)).double()


def gradients(model: nn.Module, step: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(step)
    return [torch.randn(p.shape, generator=generator, dtype=p.dtype) for p in model.parameters()]


def update_in_place(recipe: str, training: Training) -> list[Tensor]:
    model = net()
    updater = WeightUpdater.with_own_optimizer(
        model, Recipe.of(recipe), lambda groups: make_optimizer(groups, training)
    )
    for step in range(1, STEPS + 1):
        for parameter, grad in zip(model.parameters(), gradients(model, step), strict=True):
            parameter.grad = grad
        with torch.no_grad():
            for handler in in_order(tuple(Phase), updater.handlers):
                handler(Clock(step, STEPS, STEPS))
    return [p.detach() for p in model.parameters()]


def state_of(update: WeightUpdate, weights: list[Tensor], training: Training) -> WeightState:
    moments, carried = update.start(weights)
    beta1, beta2 = (training.beta1, training.beta2) if update.adaptive else (training.momentum,) * 2
    return WeightState(
        weights, [], moments, carried, torch.tensor(training.learning_rate, dtype=torch.float64),
        (torch.tensor(beta1, dtype=torch.float64), torch.tensor(beta2, dtype=torch.float64)),
        (torch.tensor(1.0), torch.tensor(1.0)), {}, [True] * len(update.targets), StackedContext(),
    )  # fmt: skip


def update_as_function(recipe: str, training: Training) -> list[Tensor]:
    model = net()
    update = WeightUpdate(model, list(model.parameters()), Recipe.of(recipe), training)
    state = state_of(update, [p.detach().clone() for p in model.parameters()], training)
    for step in range(1, STEPS + 1):
        state.grads = gradients(model, step)
        first, second = 1 - state.betas[0] ** step, 1 - state.betas[1] ** step
        state.corrections, state.cautious = (second.sqrt() / first, second.sqrt()), []
        for handler in in_order(tuple(Phase), update.handlers):
            handler(state)
    return state.weights


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_functions_equal_the_updates_in_place(recipe: str, optimizer: str) -> None:
    training = Training(optimizer=optimizer, learning_rate=0.05)
    expected = update_in_place(recipe, training)
    for weight, by_function in zip(expected, update_as_function(recipe, training), strict=True):
        torch.testing.assert_close(by_function, weight, rtol=1e-9, atol=1e-11)


def test_both_have_handlers_for_the_same_phases() -> None:
    model = net()
    update = WeightUpdate(model, list(model.parameters()), Recipe(), Training())
    updater = WeightUpdater.with_own_optimizer(model, Recipe(), lambda groups: make_optimizer(groups, Training()))
    assert set(update.handlers) == set(updater.handlers)


def test_techniques_do_not_act_on_weights_without_a_gradient_or_in_other_steps() -> None:
    model = net()
    training = Training(optimizer="sgd", momentum=0.0, learning_rate=0.1)
    update = WeightUpdate(model, list(model.parameters()), Recipe.of("l1=0.1, weight_decay=0.5"), training)
    update.unused = {0}
    state = state_of(update, [p.detach().clone() for p in model.parameters()], training)
    state.due, state.grads = [False, True], [torch.zeros_like(w) for w in state.weights]
    for handler in in_order(tuple(Phase), update.handlers):
        handler(state)
    before = list(model.parameters())
    assert torch.equal(state.weights[0], before[0])  # without a gradient
    torch.testing.assert_close(state.weights[2], before[2].detach() * 0.95)  # decay, but no proximal step


def test_penalties_of_the_same_name_are_added() -> None:
    model = net()
    update = WeightUpdate(model, list(model.parameters()), Recipe.of("l2=0.1, l2(0.2, on=bias)"), Training())
    weights = [p.detach() for p in model.parameters()]
    values = update.penalties(weights, StackedContext())
    expected = sum((0.1 if w.ndim > 1 else 0.2) * float(w.square().sum()) for w in weights)
    assert {name: float(value) for name, value in values.items()} == {"penalty_l2": pytest.approx(expected)}
