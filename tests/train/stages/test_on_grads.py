"""The OnGrads stage: techniques wrap the evaluation of the gradient and may repeat it at other weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.recipe import Recipe
from goodfit.stages import Clock, Draw, Gradient, OnGrads
from goodfit.technique import knob
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.manual_loop.attach import attach
from goodfit.train.stages.hooks import StepContext
from goodfit.train.stages.on_grads import compute_gradients, input_gradient, nest, restored_buffers

Net = Callable[..., nn.Sequential]
SETTINGS = {"epochs": 3, "batch_size": 32, "learning_rate": 0.02}


class SharpnessAware(OnGrads):
    """The gradient at weights moved by rho along the gradient."""

    rho: float = knob(0.05, low=0, neutral=0.0)

    def draw(self, weights: Sequence[Tensor], generator: torch.Generator) -> Draw:
        return ()

    def wrap(self, gradient: Gradient, draw: Draw, clock: Clock) -> Gradient:
        def at_moved_weights(weights: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
            loss, grads = gradient(weights)
            norm = torch.linalg.vector_norm(torch.stack([g.norm() for g in grads]))
            return loss, gradient([w.detach() + self.rho * g / norm for w, g in zip(weights, grads, strict=True)])[1]

        return at_moved_weights


def test_a_sharpness_aware_step_equals_one_by_hand(three_class_split: Split, make_net: Net) -> None:
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


def test_a_second_pass_does_not_change_running_statistics(three_class_split: Split, make_net: Net) -> None:
    run = fit(make_net(), three_class_split, Recipe.of("batch_norm").with_(SharpnessAware()), Training(**SETTINGS))
    assert int(run.last["0.batch_norm.num_batches_tracked"]) == 9  # 3 epochs of 3 steps, not 18


# ---- parts of the stage --------------------------------------------------------------------------------


class Scale(OnGrads):
    """Multiplies the gradient by a factor, after adding 1 to it."""

    factor: float = knob(2.0, low=0)

    def draw(self, weights: Sequence[Tensor], generator: torch.Generator) -> Draw:
        return ()

    def wrap(self, gradient: Gradient, draw: Draw, clock: Clock) -> Gradient:
        def scaled(weights: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
            loss, grads = gradient(weights)
            return loss, [(g + 1) * self.factor for g in grads]

        return scaled


def test_the_first_technique_is_innermost() -> None:
    def gradient(weights: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        return torch.zeros(()), [w.clone() for w in weights]

    weights, techniques = [torch.tensor([3.0])], [(0, Scale(2.0)), (1, Scale(10.0))]
    _, (result,) = nest(gradient, weights, techniques, Clock(1, 1, 1), StepContext())(weights)
    assert result.tolist() == [((3 + 1) * 2 + 1) * 10]


def test_parameters_without_a_gradient_keep_none() -> None:
    model = nn.ModuleList([nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)])
    used, unused = model.parameters()

    def backward() -> Tensor:
        used.grad = torch.full((1, 1), 3.0)
        return torch.tensor(5.0)

    loss = compute_gradients(model, [used, unused], [Scale(2.0)], backward, Clock(1, 1, 1), StepContext())
    assert float(loss) == 5.0
    assert used.grad is not None
    assert used.grad.tolist() == [[8.0]]
    assert unused.grad is None


def test_the_input_gradient_is_that_of_the_loss_and_changes_nothing() -> None:
    model, context = nn.BatchNorm1d(2), StepContext(torch.Generator())
    x = torch.tensor([[1.0, 2.0], [3.0, 5.0]])

    def loss(x: Tensor) -> Tensor:
        assert context.generator is None  # noise is inactive
        model(x)
        return (x**2).sum()

    assert torch.equal(input_gradient(model, context, loss, x), 2 * x)
    assert isinstance(context.generator, torch.Generator)
    assert model.running_mean is not None
    assert model.running_mean.tolist() == [0, 0]


def test_buffers_are_restored_after_an_exception() -> None:
    model = nn.BatchNorm1d(2)

    def fail() -> None:
        model(torch.randn(3, 2))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), restored_buffers(model):
        fail()
    assert model.running_mean is not None
    assert model.running_mean.tolist() == [0, 0]


class Doubled(OnGrads):
    """Twice the gradient, in a memory layout of its own."""

    def draw(self, weights: Sequence[Tensor], generator: torch.Generator) -> Draw:
        return ()

    def wrap(self, gradient: Gradient, draw: Draw, clock: Clock) -> Gradient:
        def doubled(weights: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
            loss, grads = gradient(weights)
            return loss, [2 * g.contiguous() for g in grads]

        return doubled


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.SGD])
def test_gradients_have_the_memory_layout_of_their_weights(optimizer: type[torch.optim.Optimizer]) -> None:
    """torch's fused optimizers read weights and gradients in the order of the memory."""

    def train(layout: torch.memory_format) -> list[Tensor]:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(16, 2)).to(memory_format=layout)
        x, y, updates = torch.randn(8, 3, 4, 4), torch.arange(8) % 2, optimizer(model.parameters(), lr=0.1, fused=True)

        def closure() -> Tensor:
            updates.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            return loss

        with attach(model, Doubled(), updates) as regularizer:
            for _ in range(3):
                closure()
                regularizer.step(closure)
        return list(model.parameters())

    for usual, other in zip(train(torch.contiguous_format), train(torch.channels_last), strict=True):
        torch.testing.assert_close(usual, other, rtol=1e-3, atol=1e-4)
