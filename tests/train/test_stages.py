"""Each stage proved by a tiny technique of the test's own, where the catalogue has none yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.recipe import Recipe
from goodfit.stages import Clock, Draw, ForwardPass, Gradient, OnGrads, OnLoss, OnSample
from goodfit.technique import knob
from goodfit.techniques import L2, ClipGradNorm, MixUp
from goodfit.train.config import Training
from goodfit.train.fit import fit

Net = Callable[..., nn.Sequential]
SETTINGS = {"epochs": 3, "batch_size": 32, "learning_rate": 0.02}


class LogitPenalty(OnLoss):
    """factor · mean of squared outputs."""

    factor: float = knob(0.1, low=0, neutral=0.0)

    def draw(self, forward: ForwardPass, generator: torch.Generator) -> Draw:
        return ()

    def term(self, forward: ForwardPass, draw: Draw) -> Tensor:
        assert torch.equal(forward.network(forward.x), forward.output)
        return self.factor * forward.output.square().mean()


class Repeated(OnSample):
    """Draws every row of a class several times."""

    label: int = knob(0, low=0)
    times: int = knob(3, low=1, neutral=1)

    def rows(self, y: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        return rows.repeat_interleave(torch.where(y[rows] == self.label, self.times, 1))


class SharpnessAware(OnGrads):
    """The gradient at the weights moved by rho along the gradient."""

    rho: float = knob(0.05, low=0, neutral=0.0)

    def draw(self, weights: Sequence[Tensor], generator: torch.Generator) -> Draw:
        return ()

    def wrap(self, gradient: Gradient, draw: Draw, clock: Clock) -> Gradient:
        def uphill(weights):  # type: ignore[no-untyped-def]
            loss, grads = gradient(weights)
            norm = torch.linalg.vector_norm(torch.stack([g.norm() for g in grads]))
            return loss, gradient([w.detach() + self.rho * g / norm for w, g in zip(weights, grads, strict=True)])[1]

        return uphill


def test_a_term_of_the_loss_enters_the_gradient_and_not_the_history(three_class_split: Split, make_net: Net) -> None:
    def together(output: Tensor, y: Tensor) -> Tensor:
        loss = F.cross_entropy(output, y, reduction="none")
        return loss + 0.3 * output.square().mean() if torch.is_grad_enabled() else loss

    ours = fit(make_net(), three_class_split, LogitPenalty(0.3), Training(**SETTINGS))
    hand = fit(make_net(), three_class_split, "", Training(**SETTINGS), loss=together)
    for name, weight in hand.last.items():
        torch.testing.assert_close(ours.last[name], weight, rtol=1e-4, atol=1e-6)
    assert ours.history["stop_loss"] == pytest.approx(hand.history["stop_loss"], rel=1e-4)
    assert ours.history["batch_loss"][0] < hand.history["batch_loss"][0]  # ours is the data loss alone
    off = fit(make_net(), three_class_split, LogitPenalty(0.0), Training(**SETTINGS))
    plain = fit(make_net(), three_class_split, "", Training(**SETTINGS))
    assert all(torch.equal(off.last[name], plain.last[name]) for name in plain.last)


def test_sampled_rows_are_those_that_are_trained_on(three_class_split: Split, make_net: Net) -> None:
    seen: list[Tensor] = []

    def spy(output: Tensor, y: Tensor) -> Tensor:
        if torch.is_grad_enabled():
            seen.append(y)
        return F.cross_entropy(output, y, reduction="none")

    fit(make_net(), three_class_split, Repeated(label=1, times=3), Training(**SETTINGS | {"epochs": 1}), loss=spy)
    counts, drawn = torch.bincount(three_class_split.train.y), torch.bincount(torch.cat(seen))
    assert drawn.tolist() == (counts * torch.tensor([1, 3, 1])).tolist()
    assert len({tuple(batch.tolist()) for batch in seen}) > 1  # and they are shuffled


def test_sharpness_aware_step_by_hand(three_class_split: Split, make_net: Net) -> None:
    settings = Training(epochs=1, batch_size=96, optimizer="sgd", momentum=0, learning_rate=0.1)
    run, model, train = (
        fit(make_net(), three_class_split, SharpnessAware(0.2), settings),
        make_net(),
        three_class_split.train,
    )
    F.cross_entropy(model(train.x), train.y).backward()
    grads = [p.grad.clone() for p in model.parameters()]  # type: ignore[union-attr]
    norm = torch.cat([g.flatten() for g in grads]).norm()
    start = [p.detach().clone() for p in model.parameters()]
    with torch.no_grad():
        for p, g in zip(model.parameters(), grads, strict=True):
            p.add_(0.2 * g / norm)
    model.zero_grad()
    F.cross_entropy(model(train.x), train.y).backward()
    for (name, p), w in zip(model.named_parameters(), start, strict=True):
        torch.testing.assert_close(run.last[name], w - 0.1 * p.grad, rtol=1e-4, atol=1e-6)  # type: ignore[operator]


@pytest.mark.parametrize("accumulate", [1, 4])
def test_every_stage_together_with_accumulation(accumulate: int, three_class_split: Split, make_net: Net) -> None:
    recipe = Recipe((Repeated(), MixUp(), LogitPenalty(), ClipGradNorm(), SharpnessAware(), L2(0.01)))
    runs = [fit(make_net(), three_class_split, recipe, Training(accumulate=n, **SETTINGS)) for n in (1, accumulate)]
    assert runs[0].history["stop_loss"] == pytest.approx(runs[1].history["stop_loss"], rel=1e-3)


def test_running_statistics_are_not_touched_by_the_second_pass(three_class_split: Split, make_net: Net) -> None:
    run = fit(make_net(), three_class_split, Recipe.of("batch_norm").with_(SharpnessAware()), Training(**SETTINGS))
    assert int(run.last["0.batch_norm.num_batches_tracked"]) == 9  # 3 epochs of 3 steps, not 18


class Bypassed(nn.Module):
    """A network with a layer that takes no part."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net, self.unused = net, nn.Linear(3, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


@pytest.mark.parametrize("recipe", ["weight_decay=0.1", "weight_decay=0.1,clip_grad_norm", "weight_decay=0.1,sam"])
def test_weights_without_a_gradient_are_not_decayed(recipe: str, three_class_split: Split, make_net: Net) -> None:
    model = Bypassed(make_net())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    run = fit(model, three_class_split, Recipe.of(recipe), Training(**SETTINGS))
    for name, value in before.items():
        assert torch.equal(run.last[name], value) == name.startswith("unused")
