from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from goodfit.stages import Clock
from goodfit.techniques import L2, ClipGradNorm

Steps = Callable[..., dict[str, Tensor]]


def clipped(bound: float, grads: Sequence[Tensor]) -> list[Tensor]:
    wrapped = ClipGradNorm(bound).wrap(lambda w: (torch.tensor(1.5), [g.clone() for g in grads]), (), Clock(1, 1, 1))
    loss, after = wrapped([])
    assert float(loss) == 1.5
    return after


@pytest.mark.parametrize("bound", [0.1, 1.0, 7.0, 1e6])
def test_equals_torch(bound: float) -> None:
    g = torch.Generator().manual_seed(0)
    grads = [torch.randn(3, 4, generator=g, dtype=torch.float64), torch.randn(5, generator=g, dtype=torch.float64)]
    theirs = [torch.zeros_like(t, requires_grad=True) for t in grads]
    for tensor, grad in zip(theirs, grads, strict=True):
        tensor.grad = grad.clone()
    torch.nn.utils.clip_grad_norm_(theirs, bound)
    for ours, tensor in zip(clipped(bound, grads), theirs, strict=True):
        torch.testing.assert_close(ours, tensor.grad, rtol=1e-12, atol=0)


def test_inside_the_bound_is_bit_equal_and_zero_gradients_work() -> None:
    small = [torch.tensor([0.3, 0.4]), torch.zeros(2)]
    assert all(torch.equal(a, b) for a, b in zip(clipped(1.0, small), small, strict=True))
    assert clipped(1.0, [torch.zeros(3)])[0].tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_steps_equal_torch_with_penalties_added_after_clipping(
    optimizer: str, train_steps: Steps, manual_steps: Steps, assert_weights_equal: Callable[..., None]
) -> None:
    def make(kernels: list[Tensor], others: list[Tensor]) -> torch.optim.Optimizer:
        groups = [{"params": kernels, "weight_decay": 0.06}, {"params": others}]
        return (
            torch.optim.SGD(groups, lr=0.05, momentum=0.9) if optimizer == "sgd" else torch.optim.Adam(groups, lr=0.05)
        )

    hand = manual_steps(make, between=lambda weights: torch.nn.utils.clip_grad_norm_(weights, 0.05))
    assert_weights_equal(train_steps([ClipGradNorm(0.05), L2(0.03)], optimizer=optimizer), hand)
