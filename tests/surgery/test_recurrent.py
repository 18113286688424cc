from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from goodfit.errors import InputError
from goodfit.surgery import replace_parameters, unroll


class IdentityHooks:
    """Hooks that change nothing."""

    def inputs(self, x: Tensor, h: Tensor) -> Tensor:
        return x

    def hidden(self, h: Tensor) -> Tensor:
        return h

    def state(self, new: Tensor, old: Tensor, cell: bool, time: int) -> Tensor:
        return new


@dataclass
class RecordingHooks(IdentityHooks):
    """Hooks that record their arguments."""

    shapes: list[tuple[int, ...]] = field(default_factory=list)
    states: list[tuple[bool, int]] = field(default_factory=list)

    def inputs(self, x: Tensor, h: Tensor) -> Tensor:
        self.shapes.append((*x.shape, *h.shape))
        return x

    def state(self, new: Tensor, old: Tensor, cell: bool, time: int) -> Tensor:
        self.states.append((cell, time))
        return new


KINDS: dict[str, Any] = {
    "tanh": lambda *a, **k: nn.RNN(*a, **k),
    "relu": lambda *a, **k: nn.RNN(*a, nonlinearity="relu", **k),
    "gru": lambda *a, **k: nn.GRU(*a, **k),
    "lstm": lambda *a, **k: nn.LSTM(*a, **k),
    "projected": lambda *a, **k: nn.LSTM(*a, proj_size=2, **k),
}


def make(kind: str, **options: Any) -> nn.RNNBase:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return KINDS[kind](3, 4, **options).double()


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def start(layer: nn.RNNBase, *batch: int) -> Any:
    rows = layer.num_layers * (2 if layer.bidirectional else 1)
    h = normal(rows, *batch, layer.proj_size or 4)
    return (h, normal(rows, *batch, 4) / 2) if layer.mode == "LSTM" else h


def flat(result: Any) -> list[Tensor]:
    output, state = result
    output = output.data if isinstance(output, PackedSequence) else output
    return [output, *(state if isinstance(state, tuple) else (state,))]


def check(layer: nn.RNNBase, x: Any, hx: Any) -> None:
    """Outputs, states and all gradients equal those of torch."""
    ours, torchs = flat(unroll(layer, x, hx, IdentityHooks())), flat(layer(x, hx))
    leaves = list(layer.parameters())
    leaves += [t for t in (x, *(hx if isinstance(hx, tuple) else (hx,))) if isinstance(t, Tensor) and t.requires_grad]
    assert [t.shape for t in ours] == [t.shape for t in torchs]
    assert all(torch.allclose(a, b, rtol=1e-12, atol=1e-12) for a, b in zip(ours, torchs, strict=True))
    both = [
        torch.autograd.grad(sum((t.cos() * (i + 1)).sum() for i, t in enumerate(r)), leaves) for r in (ours, torchs)
    ]
    for mine, other in zip(*both, strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("options", [{}, {"num_layers": 3, "bidirectional": True}, {"bias": False, "num_layers": 2}])
def test_equals_torch(kind: str, options: dict[str, Any]) -> None:
    layer = make(kind, **options)
    check(layer, normal(5, 2, 3).requires_grad_(), None)
    hx = start(layer, 2)
    for state in hx if isinstance(hx, tuple) else (hx,):
        state.requires_grad_()
    check(layer, normal(5, 2, 3).requires_grad_(), hx)


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_input_shapes(kind: str, both: bool) -> None:
    layer = make(kind, num_layers=2, bidirectional=both)
    check(layer, normal(5, 3), None)
    check(layer, normal(5, 3), start(layer))
    first = make(kind, num_layers=2, bidirectional=both, batch_first=True)
    check(first, normal(2, 5, 3), start(layer, 2))
    check(first, normal(5, 3), start(layer))
    check(layer, normal(1, 1, 3), None)


@pytest.mark.parametrize("ordered", [False, True])
@pytest.mark.parametrize("kind", ["tanh", "projected"])
def test_packed(kind: str, ordered: bool) -> None:
    lengths = (5, 4, 4, 1) if ordered else (4, 1, 5, 4)
    packed = pack_sequence([normal(n, 3) for n in lengths], enforce_sorted=ordered)
    for first in (False, True):
        layer = make(kind, num_layers=2, bidirectional=True, batch_first=first)
        check(layer, packed, None)
        check(layer, packed, start(layer, 4))
        output, _ = unroll(layer, packed, None, IdentityHooks())
        assert isinstance(output, PackedSequence)
        for a, b in zip(output, layer(packed)[0], strict=True):
            assert (a is None and b is None) or torch.allclose(a, b, rtol=1e-12, atol=1e-12)


def test_dropout_between_layers_uses_torchs_draws() -> None:
    layer = make("lstm", num_layers=3, dropout=0.5, bidirectional=True)
    for x in (normal(5, 2, 3), pack_sequence([normal(n, 3) for n in (5, 3, 1)])):
        results = []
        for run in (lambda x=x: unroll(layer, x, None, IdentityHooks()), lambda x=x: layer(x)):
            with torch.random.fork_rng():
                torch.manual_seed(7)
                results.append(flat(run()))
        assert all(torch.allclose(a, b, rtol=1e-12, atol=1e-12) for a, b in zip(*results, strict=True))
        plain = flat(layer.eval()(x))
        assert not torch.allclose(results[0][0], plain[0])
        assert torch.allclose(flat(unroll(layer, x, None, IdentityHooks()))[0], plain[0], rtol=1e-12, atol=1e-12)
        layer.train()


def test_arguments_of_hooks() -> None:
    recorded = RecordingHooks()
    unroll(make("lstm", num_layers=2, bidirectional=True), normal(2, 5, 3), None, recorded)
    assert recorded.shapes == [(2, 5, 3, 5, 4)] * 2 + [(2, 5, 8, 5, 4)] * 2
    forwards, backwards = [(c, t) for t in (0, 1) for c in (False, True)], [(c, t) for t in (1, 0) for c in (0, 1)]
    assert recorded.states == (forwards + backwards) * 2


def test_hooks_by_hand() -> None:
    """Inputs are doubled, the hidden state is divided by 3, and the new state is the mean of new and old state."""

    class Hooks(IdentityHooks):
        def inputs(self, x: Tensor, h: Tensor) -> Tensor:
            return 2 * x

        def hidden(self, h: Tensor) -> Tensor:
            return h / 3

        def state(self, new: Tensor, old: Tensor, cell: bool, time: int) -> Tensor:
            return (new + old) / 2

    layer = nn.RNN(1, 1, bias=False).double()
    with torch.no_grad():
        layer.weight_ih_l0.fill_(0.5)
        layer.weight_hh_l0.fill_(0.6)
    x = torch.tensor([1.0, -2.0], dtype=torch.float64)
    first = torch.tanh(x[0]) / 2
    second = (torch.tanh(x[1] + 0.2 * first) + first) / 2
    output, h = unroll(layer, x.reshape(2, 1, 1), None, Hooks())
    torch.testing.assert_close(output.flatten(), torch.stack([first, second]), rtol=1e-14, atol=0)
    torch.testing.assert_close(h.flatten(), second.reshape(1), rtol=1e-14, atol=0)


def test_several_hooks_act_in_order() -> None:
    class Subtract(IdentityHooks):
        def hidden(self, h: Tensor) -> Tensor:
            return h - 1

        def state(self, new: Tensor, old: Tensor, cell: bool, time: int) -> Tensor:
            return new - 0.5

    class Half(Subtract):
        def hidden(self, h: Tensor) -> Tensor:
            return h / 2

        def state(self, new: Tensor, old: Tensor, cell: bool, time: int) -> Tensor:
            return (new + old) / 2

    layer = nn.RNN(1, 1, bias=False).double()
    with torch.no_grad():
        layer.weight_hh_l0.fill_(0.6)
    output, _ = unroll(layer, torch.zeros(1, 1, 1).double(), torch.full((1, 1, 1), 3.0).double(), Subtract(), Half())
    assert output.item() == pytest.approx((torch.tensor(0.6).tanh().item() - 0.5 + 3) / 2, rel=1e-7)
    x = normal(4, 2, 3)
    torch.testing.assert_close(unroll(make("gru"), x, None)[0], make("gru")(x)[0], rtol=1e-12, atol=1e-12)


def test_replaced_weights_are_used() -> None:
    layer, x = make("gru"), normal(3, 2, 3)
    with replace_parameters(layer, {"weight_hh_l0": torch.zeros(12, 4, dtype=torch.float64)}):
        ours, torchs = unroll(layer, x, None, IdentityHooks())[0], layer(x)[0]
    torch.testing.assert_close(ours, torchs, rtol=1e-12, atol=1e-12)
    assert not torch.allclose(ours, layer(x)[0])


def test_under_vmap() -> None:
    layer, x = make("lstm"), normal(6, 5, 2, 3)
    together = torch.func.vmap(lambda row: unroll(layer, row, None, IdentityHooks())[0])(x)
    for one, row in zip(together, x, strict=True):
        torch.testing.assert_close(one, layer(row)[0], rtol=1e-12, atol=1e-12)


def test_wrong_shapes_raise_errors() -> None:
    layer = make("lstm")
    with pytest.raises(InputError, match=r"LSTM: hx must have shape \(1, 2, 4\) and \(1, 2, 4\), got \(1, 1, 4\)"):
        unroll(layer, normal(5, 2, 3), (normal(1, 1, 4), normal(1, 1, 4)), IdentityHooks())
    with pytest.raises(InputError, match="LSTM: its input must have 2 or 3 dimensions"):
        unroll(layer, normal(3), None, IdentityHooks())
