from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from goodfit.errors import InputError
from goodfit.surgery import select
from goodfit.techniques import MaxNorm
from goodfit.train.stages.on_weights import scale_units

C = 1.5
LAYERS = {
    "Linear": (lambda: nn.Linear(5, 8), (1,)),
    "Conv1d": (lambda: nn.Conv1d(3, 8, 4), (1, 2)),
    "Conv2d": (lambda: nn.Conv2d(3, 8, 2), (1, 2, 3)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(3, 8, 2), (0, 2, 3)),
    "Embedding": (lambda: nn.Embedding(8, 5), (1,)),
    "LSTM": (lambda: nn.LSTM(5, 2), (1,)),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_incoming_weights_of_each_unit(kind: str) -> None:
    make, axes = LAYERS[kind]
    layer = make()
    ref = select(nn.Sequential(layer), "kernel")[0]
    with torch.no_grad():
        ref.tensor.normal_(generator=torch.Generator().manual_seed(0))
        before = ref.tensor.detach().clone()
        norms = before.square().sum(axes).sqrt()
        assert norms.shape == (8,)
        ref.tensor.mul_(C / norms.median())  # half of the units inside, half outside
        before = ref.tensor.detach().clone()
        scale_units(MaxNorm(C), ref)
    norms, after = before.square().sum(axes).sqrt(), ref.tensor.detach()
    inside = norms <= C * (1 - 1e-6)
    assert 0 < int(inside.sum()) < 8
    units = [torch.cat(ref.blocks(w)) for w in (after, before)]
    assert torch.equal(units[0][inside], units[1][inside])
    assert bool((after.square().sum(axes).sqrt() <= C * (1 + 1e-6)).all())
    outside = norms > C * (1 + 1e-6)
    shape = (-1, *[1] * (before.ndim - 1))
    torch.testing.assert_close(units[0][outside], units[1][outside] * (C / norms[outside]).reshape(shape))


@pytest.mark.parametrize(
    "norms", [[1.0, 2.5], [2.5, 2.6], [2.5 + 2**-20, 1.0], [float("nan"), 1.0], [float("inf")], []]
)
def test_a_violation_is_seen_where_a_factor_differs_from_one(norms: list[float]) -> None:
    norm = torch.tensor(norms)
    assert MaxNorm(2.5).is_violated(norm) == bool((MaxNorm(2.5).scale(norm) != 1).any())


def test_values_by_hand() -> None:
    layer = nn.Linear(2, 3)
    ref = select(layer, "kernel")[0]
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]]))
        scale_units(MaxNorm(2.5), ref)
        torch.testing.assert_close(layer.weight, torch.tensor([[1.5, 2.0], [0.3, 0.4], [0.0, 0.0]]))
        layer.weight.copy_(torch.tensor([[3.0, 0.1], [0.0, 0.2], [4.0, 0.2]]))
        scale_units(MaxNorm(2.5, axis=0), ref)
    torch.testing.assert_close(layer.weight, torch.tensor([[1.5, 0.1], [0.0, 0.2], [2.0, 0.2]]))


def test_bound_holds_after_every_step(train_steps: Callable[..., dict[str, Tensor]]) -> None:
    free, run = train_steps("", gain=3.0), train_steps(MaxNorm(1.0), gain=3.0)
    for name in ("0.weight", "2.weight", "4.weight"):
        assert float(free[name].norm(dim=1).max()) > 1.01
        assert float(run[name].norm(dim=1).max()) <= 1 + 1e-9


def test_biases_are_not_bounded(train_steps: Callable[..., dict[str, Tensor]]) -> None:
    with pytest.raises(
        InputError, match=r"MaxNorm: on must choose a tensor .*0\.bias.*: one number per unit has no incoming"
    ):
        train_steps(MaxNorm(1.0, on="bias"))
