from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
import torch
from torch import Tensor

from goodfit.stages import Clock
from goodfit.techniques import L2, ClipGradValue

Steps = Callable[..., dict[str, Tensor]]


def clipped(bound: float, grads: Sequence[Tensor]) -> list[Tensor]:
    wrapped = ClipGradValue(bound).wrap(lambda w: (torch.tensor(1.5), list(grads)), (), Clock(1, 1, 1))
    loss, after = wrapped([])
    assert float(loss) == 1.5
    return after


@pytest.mark.parametrize("bound", [0.1, 1.0, 7.0])
def test_equals_torch(bound: float) -> None:
    g = torch.Generator().manual_seed(0)
    grads = [torch.randn(30, 4, generator=g, dtype=torch.float64), torch.randn(5, generator=g, dtype=torch.float64)]
    theirs = [torch.zeros_like(t, requires_grad=True) for t in grads]
    for tensor, grad in zip(theirs, grads, strict=True):
        tensor.grad = grad.clone()
    torch.nn.utils.clip_grad_value_(theirs, bound)
    for ours, tensor in zip(clipped(bound, grads), theirs, strict=True):
        assert torch.equal(ours, tensor.grad)


def test_inside_the_bound_is_bit_equal() -> None:
    small = [torch.tensor([0.3, -0.4, 1e-30, 0.0])]
    assert torch.equal(clipped(0.4, small)[0], small[0])
    assert torch.equal(clipped(float("inf"), [torch.tensor([3e38, -3e38])])[0], torch.tensor([3e38, -3e38]))


def test_vmap_over_bounds() -> None:
    grads = torch.tensor([[3.0, -0.25], [3.0, -0.25], [3.0, -0.25]])

    def one(bound: Tensor, g: Tensor) -> Tensor:
        return (
            ClipGradValue().with_values(clip_value=bound).wrap(lambda w: (g.sum(), [g]), (), Clock(1, 1, 1))([])[1][0]
        )

    after = torch.func.vmap(one)(torch.tensor([0.125, 1.0, torch.inf]), grads)
    assert after.tolist() == [[0.125, -0.125], [1.0, -0.25], [3.0, -0.25]]


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_steps_equal_torch_with_penalties_added_after_clipping(
    optimizer: str, train_steps: Steps, manual_steps: Steps, assert_weights_equal: Callable[..., None]
) -> None:
    def make(kernels: list[Tensor], others: list[Tensor]) -> torch.optim.Optimizer:
        groups = [{"params": kernels, "weight_decay": 0.06}, {"params": others}]
        return (
            torch.optim.SGD(groups, lr=0.05, momentum=0.9) if optimizer == "sgd" else torch.optim.Adam(groups, lr=0.05)
        )

    hand = manual_steps(make, between=lambda weights: torch.nn.utils.clip_grad_value_(weights, 0.01))
    assert_weights_equal(train_steps([ClipGradValue(0.01), L2(0.03)], optimizer=optimizer), hand)
