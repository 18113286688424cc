"""Standing around a layer's forward pass."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from goodfit import surgery


class Times:
    """Multiplies what the layer gives."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(
        self, layer: nn.Module, plain: surgery.Forward, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Tensor:
        return self.factor * plain(*args, **kwargs)


@pytest.mark.parametrize("first", [0, 1, 2])
def test_several_nest_and_leave_in_any_order(first: int) -> None:
    layer, x = nn.Linear(3, 2), torch.ones(1, 3)
    plain = layer(x)
    handles = [surgery.wrap_forward(layer, Times(factor)) for factor in (2.0, 3.0, 5.0)]
    torch.testing.assert_close(layer(x), 30 * plain)
    handles[first].remove()
    torch.testing.assert_close(layer(x), 30 / (2.0, 3.0, 5.0)[first] * plain)
    for handle in handles:
        handle.remove()  # a second time does nothing
    assert torch.equal(layer(x), plain)
    assert "forward" not in layer.__dict__


def test_copies_and_pickles_stand_around_their_own_layer() -> None:
    layer, x = nn.Sequential(nn.Linear(3, 2)), torch.ones(1, 3)
    surgery.wrap_forward(layer[0], Times(2.0))
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        with torch.no_grad():
            twin[0].weight.zero_()
            twin[0].bias.fill_(1.0)
        assert torch.equal(twin(x), torch.full((1, 2), 2.0))
    assert not torch.equal(layer(x), torch.full((1, 2), 2.0))


@pytest.mark.parametrize("kind", [nn.Linear, nn.LSTM, nn.GRU, nn.MultiheadAttention])
def test_swapped_weights_are_used_and_put_back_also_after_an_error(kind: type[nn.Module]) -> None:
    layer = kind(4, 4) if kind is not nn.MultiheadAttention else kind(4, 2)
    x = torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(0))
    args = (x, x, x) if kind is nn.MultiheadAttention else (x,)

    def output() -> Tensor:
        given = layer(*args)
        return given[0] if isinstance(given, tuple) else given

    before, own = output(), dict(layer.named_parameters())
    zeros = {name: torch.zeros_like(p) for name, p in own.items()}
    with surgery.replace_parameters(layer, zeros):
        assert not output().any()
    with pytest.raises(KeyboardInterrupt), surgery.replace_parameters(layer, zeros):
        raise KeyboardInterrupt
    assert torch.equal(output(), before)
    assert all(p is own[name] for name, p in layer.named_parameters())


def test_gradients_reach_the_weights_through_a_swap() -> None:
    layer, x = nn.Linear(3, 2), torch.ones(1, 3)
    with surgery.replace_parameters(layer, {"weight": layer.weight * 2}):
        layer(x).sum().backward()
    assert torch.equal(layer.weight.grad, torch.full((2, 3), 2.0))


def test_frozen_normalizations_stay_in_evaluation_mode() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2), nn.LayerNorm(2), nn.Dropout())
    model[1].requires_grad_(False)
    surgery.set_train_mode(model.eval())
    assert [m.training for m in model] == [True, False, True, True]


def test_weight_normed_layers_say_what_their_parts_are() -> None:
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(3, 2)), nn.Linear(2, 1))
    kinds = {ref.name: (ref.kind, ref.role) for ref in surgery.weight_refs(model)}
    assert kinds["0.parametrizations.weight.original0"] == ("kernel", "magnitude")
    assert kinds["0.parametrizations.weight.original1"] == ("other", "component")
    assert kinds["1.weight"] == ("kernel", "direct")
    spectral = nn.utils.parametrizations.spectral_norm(nn.Linear(3, 2))
    assert {s.name: s.role for s in surgery.weight_refs(spectral)}["parametrizations.weight.original"] == "component"


@pytest.mark.parametrize(
    ("on", "names"),
    [
        ("first", ["a.weight"]),
        ("last", ["c.weight"]),
        ("!last", ["a.weight", "b.weight"]),
        ("kernel bias !first !last", ["b.weight", "b.bias"]),
        ("kernel bias !bias", ["a.weight", "b.weight", "c.weight"]),
        ("!b.*", ["a.weight", "c.weight"]),
        ("!Linear Bilinear", None),
    ],
)
def test_ends_and_exclusions(on: str, names: list[str] | None) -> None:
    model = nn.Sequential()
    for name in "abc":
        model.add_module(name, nn.Linear(2, 2))
    if names is None:
        with pytest.raises(ValueError, match="on must match a weight tensor"):
            surgery.select(model, on)
    else:
        assert [ref.name for ref in surgery.select(model, on)] == names


def test_a_norm_behind_a_linear_layer_takes_the_last_dimension_for_its_features() -> None:
    layer, x = nn.Linear(3, 4), torch.randn(5, 7, 3, generator=torch.Generator().manual_seed(0))
    plain = layer(x)
    surgery.append_layer(layer, "batch_norm", nn.BatchNorm1d(4))
    rows = plain.reshape(-1, 4)
    expected = (rows - rows.mean(0)) / (rows.var(0, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(layer(x), expected.reshape(5, 7, 4))


def test_attention_s_three_inputs_and_packed_sequences_change_alike() -> None:
    seen: list[int] = []

    def zero(layer: nn.Module, x: Tensor) -> Tensor:
        seen.append(x.ndim)
        return torch.zeros_like(x)

    attention, x = nn.MultiheadAttention(4, 2), torch.randn(3, 2, 4)
    surgery.change_input(attention, zero)
    other = 5 * x
    assert torch.equal(attention(x, x, x)[0], attention(other, other, other)[0])
    rnn = nn.GRU(4, 3)
    surgery.change_input(rnn, zero)
    packed = nn.utils.rnn.pack_padded_sequence(x, torch.tensor([3, 2]))
    output = rnn(packed)[0]
    assert torch.equal(output.data, rnn(packed._replace(data=packed.data * 2))[0].data)
    assert seen == [3, 3, 2, 2]
