"""Hand-written torch loops: the reference and common variants of it."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from problems import Problem
from timing import Start, Turn
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

L2 = 1e-4
Batches = Callable[[], Iterable[tuple[Tensor, Tensor]]]


def plain(problem: Problem) -> Start:
    """The reference: index whole batches, fused Adam, new order every epoch."""
    return _loop(problem, partial(indexed, problem), _data_loss)


def onednn_by_hand(problem: Problem) -> Start:
    """The reference with the linear layers computed by oneDNN."""

    def network(seed: int) -> nn.Module:
        model = problem.network(seed)
        for layer in model.modules():
            if isinstance(layer, nn.Linear):
                layer.__class__ = OneDnnLinear
        return model

    return _loop(problem, partial(indexed, problem), _data_loss, network)


def channels_last_by_hand(problem: Problem) -> Start:
    """The reference with network and batches in the channels-last format."""

    def batches() -> Iterable[tuple[Tensor, Tensor]]:
        for x, y in indexed(problem):
            yield x.to(memory_format=torch.channels_last), y

    def network(seed: int) -> nn.Module:
        return problem.network(seed).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    return _loop(problem, batches, _data_loss, network)


class OneDnnProduct(torch.autograd.Function):
    """x @ weight.T + bias, as somebody would write it who knows torch's private operator."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return _product(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x = _product(gradient, weight.t()) if ctx.needs_input_grad[0] else None
        return of_x, _product(gradient.t(), x.t()), gradient.sum(0)


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")


class OneDnnLinear(nn.Linear):
    """A linear layer that computes with `OneDnnProduct`."""

    def forward(self, x: Tensor) -> Tensor:
        return OneDnnProduct.apply(x, self.weight, self.bias)


def l2_in_loss(problem: Problem) -> Start:
    """Adds λΣw² over the kernels to the loss."""
    return _loop(problem, partial(indexed, problem), _penalized_loss)


def data_loader(problem: Problem) -> Start:
    """The loop of the PyTorch tutorial: a DataLoader that collates single rows."""
    rows = TensorDataset(problem.x, problem.y)
    loader = DataLoader(rows, batch_size=problem.batch, shuffle=True)
    return _loop(problem, lambda: loader, _data_loss)


def indexed(problem: Problem) -> Iterable[tuple[Tensor, Tensor]]:
    """Batches of rows in random order."""
    for rows in torch.randperm(len(problem.x)).split(problem.batch):
        yield problem.x[rows], problem.y[rows]


def adam(problem: Problem, model: nn.Module) -> torch.optim.Optimizer:
    """The optimizer of all torch trainers."""
    return torch.optim.Adam(model.parameters(), lr=problem.learning_rate, fused=True)


@torch.inference_mode()
def validate(problem: Problem, model: nn.Module) -> tuple[float, float]:
    """Loss and accuracy on the validation rows."""
    model.eval()
    loss, correct = 0.0, 0
    parts = problem.xv.split(problem.validation_batch), problem.yv.split(problem.validation_batch)
    for x, y in zip(*parts, strict=True):
        out = model(x)
        loss += functional.cross_entropy(out, y, reduction="sum").item()
        correct += int((out.argmax(1) == y).sum())
    return loss / len(problem.yv), correct / len(problem.yv)


Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]


def _data_loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    return functional.cross_entropy(model(x), y)


def _penalized_loss(model: nn.Module, x: Tensor, y: Tensor) -> Tensor:
    kernels = (p for name, p in model.named_parameters() if name.endswith("weight"))
    return _data_loss(model, x, y) + L2 * sum(w.pow(2).sum() for w in kernels)


def _loop(problem: Problem, batches: Batches, loss: Loss, network: Callable[[int], nn.Module] | None = None) -> Start:
    def start(epochs: int, seed: int) -> Turn:
        model = (network or problem.network)(seed)
        fit = partial(_train, problem, model, adam(problem, model), batches, loss, epochs)
        return Turn(fit, lambda: validate(problem, model)[1])

    return start


def _train(
    problem: Problem,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    batches: Batches,
    loss: Loss,
    epochs: int,
) -> list[tuple[float, float, float]]:
    """For each epoch: mean training loss (as every trainer records it), validation loss and accuracy."""
    history = []
    for _ in range(epochs):
        model.train()
        total = torch.zeros(())
        for x, y in batches():
            value = loss(model, x, y)
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
            total += value.detach()
        history.append((total.item() / problem.steps, *validate(problem, model)))
    return history
