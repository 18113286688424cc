"""Norms per unit in every kind of layer, compared with the weights that really flow into one output."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from goodfit.surgery import WeightRef, select
from goodfit.techniques import MaxNorm
from goodfit.train.stages.on_weights import scale_units

# Layers that are linear in their input: the norm of a unit's incoming weights is that of a row of the Jacobian, at an
# output position that every weight of the kernel reaches.
LINEAR: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "Linear": (lambda: nn.Linear(5, 8, bias=False), (5,)),
    "Conv1d": (lambda: nn.Conv1d(3, 8, 3, padding=1, bias=False), (3, 5)),
    "Conv2d": (lambda: nn.Conv2d(3, 8, (3, 1), padding=(1, 0), bias=False), (3, 5, 3)),
    "Conv3d": (lambda: nn.Conv3d(2, 8, 3, padding=1, bias=False), (2, 5, 5, 5)),
    "Conv2d, two groups": (lambda: nn.Conv2d(6, 8, 3, padding=1, groups=2, bias=False), (6, 5, 5)),
    "Conv1d, depthwise": (lambda: nn.Conv1d(8, 8, 3, padding=1, groups=8, bias=False), (8, 5)),
    "ConvTranspose1d": (lambda: nn.ConvTranspose1d(3, 8, 3, padding=1, bias=False), (3, 5)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(3, 8, 3, padding=1, bias=False), (3, 5, 5)),
    "ConvTranspose3d": (lambda: nn.ConvTranspose3d(2, 8, 3, padding=1, bias=False), (2, 5, 5, 5)),
    "ConvTranspose2d, two groups": (lambda: nn.ConvTranspose2d(6, 8, 3, padding=1, groups=2, bias=False), (6, 5, 5)),
    "ConvTranspose1d, depthwise": (lambda: nn.ConvTranspose1d(8, 8, 3, padding=1, groups=8, bias=False), (8, 5)),
}


def filled(layer: nn.Module) -> nn.Module:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in layer.double().parameters():
            parameter.normal_(generator=generator).mul_(torch.rand(len(parameter), generator=generator).max())
    return layer.double()


def rows_of_the_jacobian(layer: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """(unit, input): the derivative of each output channel, in the middle of its map, with respect to every input."""
    x = torch.zeros(1, *shape, dtype=torch.float64)
    full = torch.autograd.functional.jacobian(lambda x: layer(x)[0], x)
    middle = tuple(size // 2 for size in full.shape[1 : full.ndim - x.ndim])
    return full[(slice(None), *middle)].flatten(1)


def norms(ref: WeightRef) -> Tensor:
    """One norm per unit, in the order of the blocks."""
    axes = MaxNorm().axes
    blocks = [w.detach() for w in ref.blocks()]
    return torch.cat([torch.linalg.vector_norm(w, dim=axes(w.ndim), keepdim=True).flatten() for w in blocks])


@pytest.mark.parametrize("kind", LINEAR)
def test_norms_are_those_of_the_incoming_weights(kind: str) -> None:
    make, shape = LINEAR[kind]
    layer = filled(make())
    (ref,) = select(nn.Sequential(layer), "kernel")
    incoming = rows_of_the_jacobian(layer, shape).norm(dim=1)
    assert incoming.shape == (8,)
    torch.testing.assert_close(norms(ref), incoming, rtol=1e-12, atol=0)


@pytest.mark.parametrize("kind", LINEAR)
def test_max_norm_scales_only_units_outside_the_bound(kind: str) -> None:
    make, shape = LINEAR[kind]
    layer = filled(make())
    before = rows_of_the_jacobian(layer, shape)
    length = before.norm(dim=1, keepdim=True)
    bound = float(length.sort(dim=0).values[3:5].mean())  # about half of the units are above the bound
    with torch.no_grad():
        scale_units(MaxNorm(bound), select(nn.Sequential(layer), "kernel")[0])
    after = rows_of_the_jacobian(layer, shape)
    inside = (length < bound).flatten()
    assert int(inside.sum()) == 4
    assert torch.equal(after[inside], before[inside])
    torch.testing.assert_close(after[~inside], (before * bound / length)[~inside], rtol=1e-12, atol=1e-15)


def test_each_embedding_vector_is_a_unit() -> None:
    layer = filled(nn.Embedding(6, 3))
    (ref,) = select(nn.Sequential(layer), "kernel")
    expected = torch.stack([layer(torch.tensor(token)).detach().norm() for token in range(6)])
    torch.testing.assert_close(norms(ref), expected, rtol=1e-14, atol=0)
    assert [tuple(w.shape) for w in ref.blocks()] == [(6, 3)]


@pytest.mark.parametrize(("make", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_each_gate_of_a_recurrent_unit_is_a_unit(make: type[nn.RNNBase], gates: int) -> None:
    layer = filled(make(5, 3))
    refs = {ref.name: ref for ref in select(nn.Sequential(layer), "kernel")}
    assert list(refs) == ["0.weight_ih_l0", "0.weight_hh_l0"]
    for ref, incoming in zip(refs.values(), (5, 3), strict=True):
        assert [tuple(w.shape) for w in ref.blocks()] == [(3, incoming)] * gates
        by_loop = [sum(float(x) ** 2 for x in row) ** 0.5 for row in ref.tensor.detach()]
        assert norms(ref).tolist() == pytest.approx(by_loop, rel=1e-12)


def test_queries_keys_and_values_of_attention_are_separate_units() -> None:
    layer = filled(nn.MultiheadAttention(4, 2, bias=False))
    refs = {ref.name: ref for ref in select(nn.Sequential(layer), "kernel")}
    assert [tuple(w.shape) for w in refs["0.in_proj_weight"].blocks()] == [(4, 4)] * 3
    with torch.no_grad():
        projected = torch.nn.functional.linear(torch.eye(4, dtype=torch.float64), layer.in_proj_weight)  # (input, unit)
    torch.testing.assert_close(norms(refs["0.in_proj_weight"]), projected.norm(dim=0), rtol=1e-12, atol=0)
    assert [tuple(w.shape) for w in refs["0.out_proj.weight"].blocks()] == [(4, 4)]


def test_transposed_convolution_by_hand() -> None:
    layer = nn.ConvTranspose1d(2, 2, 1, groups=2, bias=False).double()
    plain = nn.ConvTranspose1d(2, 2, 1, bias=False).double()
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[[3.0]], [[0.5]]]))  # (in, out / groups, width): each input has its own output
        plain.weight.copy_(torch.tensor([[[3.0], [0.375]], [[4.0], [0.5]]]))  # each input goes to both outputs
    for module, expected in ((layer, [3.0, 0.5]), (plain, [5.0, 0.625])):
        assert norms(select(nn.Sequential(module), "kernel")[0]).tolist() == pytest.approx(expected, rel=1e-14)
    with torch.no_grad():
        scale_units(MaxNorm(1.0), select(nn.Sequential(plain), "kernel")[0])
    assert plain.weight.flatten().tolist() == pytest.approx([0.6, 0.375, 0.8, 0.5], rel=1e-14)
