"""The OnWeights stage in place: how often techniques act on large networks, and weights without a gradient."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso
from torch import Tensor, nn

from goodfit.data import Split, from_tensors
from goodfit.recipe import Recipe
from goodfit.stages import Clock, weight_targets
from goodfit.stages.weight_targets import LARGE
from goodfit.techniques import L1
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.optimizers import make_optimizer
from goodfit.train.phases import Phase, in_order
from goodfit.train.stages.on_weights import WeightUpdater


def updater_of(recipe: str, optimizer: str = "adam", width: int = 400) -> WeightUpdater:
    torch.manual_seed(0)
    model = nn.Linear(width, width)
    training = Training(optimizer=optimizer)
    return WeightUpdater.with_own_optimizer(model, Recipe.of(recipe), lambda groups: make_optimizer(groups, training))


def zeros_after(recipe: str, steps: int, per_epoch: int, **options: object) -> list[int]:
    """The number of weights equal to 0 after each step."""
    updater = updater_of(recipe, **options)  # type: ignore[arg-type]
    w = updater.optimizer.param_groups[0]["params"][0]
    counts = []
    for step in range(1, steps + 1):
        for group in updater.optimizer.param_groups:
            for p in group["params"]:
                p.grad = torch.randn(p.shape, generator=torch.Generator().manual_seed(step)) * 1e-2
        with torch.no_grad():
            for handler in in_order(tuple(Phase), updater.handlers):
                handler(Clock(step, per_epoch, 1000))
        counts.append(int((w == 0).sum()))
    return counts


def test_a_penalty_on_many_weights_acts_every_n_steps_and_at_the_end_of_an_epoch() -> None:
    assert LARGE < 400 * 400
    counts = zeros_after("l1=1e-3", steps=11, per_epoch=11)
    acted = [step for step, zeros in enumerate(counts, start=1) if zeros]
    assert acted == [L1.every, 11]


@pytest.mark.parametrize(("optimizer", "width"), [("sgd", 400), ("adam", 100)])
def test_penalties_on_few_weights_and_with_sgd_act_in_every_step(optimizer: str, width: int) -> None:
    strength = {"sgd": 1.0, "adam": 1e-3}[optimizer]
    counts = zeros_after(f"l1={strength}", steps=3, per_epoch=100, optimizer=optimizer, width=width)
    assert all(counts)


def test_proximal_steps_for_several_steps_at_once_solve_the_lasso(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_targets, "LARGE", 0)
    rng = np.random.default_rng(1)
    x = rng.normal(size=(256, 20)) + 0.5 * rng.normal(size=(256, 1))
    y = x[:, [2, 9, 14]] @ np.array([1.5, -2.0, 1.0]) + rng.normal(size=256)
    inputs, target = torch.from_numpy(x), torch.from_numpy(y)
    split = from_tensors(train=(inputs, target), stop=(inputs[:8], target[:8]))
    lasso = Lasso(alpha=0.2, tol=1e-10).fit(x, y)
    torch.manual_seed(0)
    settings = Training(epochs=150, batch_size=16, learning_rate=0.02, schedule="cosine")
    w = fit(nn.Linear(20, 1).double(), split, "l1=0.4", settings).last["weight"].numpy().ravel()
    assert set(np.flatnonzero(w)) == set(np.flatnonzero(lasso.coef_)) == {2, 9, 14}
    np.testing.assert_allclose(w, lasso.coef_, atol=0.01)


# ---- weights without a gradient ------------------------------------------------------------------------


class WithUnusedLayer(nn.Module):
    """A network with a layer that it does not use."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.unused = net, nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


@pytest.mark.parametrize("recipe", ["weight_decay=0.1", "weight_decay=0.1,clip_grad_norm", "weight_decay=0.1,sam"])
def test_weights_without_a_gradient_are_not_changed(
    recipe: str, three_class_split: Split, make_net: Callable[..., nn.Sequential]
) -> None:
    model = WithUnusedLayer(make_net())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    run = fit(model, three_class_split, Recipe.of(recipe), Training(epochs=3, batch_size=32, learning_rate=0.02))
    for name, value in before.items():
        assert torch.equal(run.last[name], value) == name.startswith("unused")
