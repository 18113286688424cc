from __future__ import annotations

import pytest
import torch
from torch import nn

from goodfit import surgery
from goodfit.errors import InputError


class BasicNorm(nn.LayerNorm):
    """A normalization whose name does not reveal its kind."""


def network() -> nn.Sequential:
    """A network with one of everything."""
    parts = {
        "embed": nn.Embedding(10, 4),
        "odd": BasicNorm(4),
        "rnn": nn.LSTM(4, 5),
        "attention": nn.MultiheadAttention(4, 2, add_bias_kv=True),
        "conv": nn.Conv2d(1, 2, 3),
        "bn": nn.BatchNorm2d(2),
        "slope": nn.PReLU(),
        "head": nn.Linear(5, 2),
    }
    model = nn.Sequential()
    for name, part in parts.items():
        model.add_module(name, part)
    return model


def test_kinds_depend_on_module_types() -> None:
    kinds = {ref.name: ref.kind for ref in surgery.weight_refs(network())}
    assert kinds["embed.weight"] == kinds["rnn.weight_hh_l0"] == kinds["attention.in_proj_weight"] == "kernel"
    assert kinds["attention.out_proj.weight"] == kinds["conv.weight"] == kinds["head.weight"] == "kernel"
    assert kinds["rnn.bias_ih_l0"] == kinds["attention.bias_k"] == kinds["head.bias"] == "bias"
    assert kinds["odd.weight"] == kinds["odd.bias"] == kinds["bn.weight"] == kinds["bn.bias"] == "norm"
    assert kinds["slope.weight"] == "other"


@pytest.mark.parametrize(
    ("on", "names"),
    [
        ("head.weight", ["head.weight"]),
        ("head", ["head.weight"]),
        ("bias head", ["head.bias"]),
        ("kernel bias head", ["head.weight", "head.bias"]),
        ("Linear", ["attention.out_proj.weight", "head.weight"]),
        ("Conv2d Embedding", ["embed.weight", "conv.weight"]),
        ("norm", ["odd.weight", "odd.bias", "bn.weight", "bn.bias"]),
        ("norm LayerNorm", ["odd.weight", "odd.bias"]),  # a subclass matches the name of its base class
        ("rnn.weight_i*", ["rnn.weight_ih_l0"]),
        ("other", ["slope.weight"]),
    ],
)
def test_selectors(on: str, names: list[str]) -> None:
    assert [ref.name for ref in surgery.select(network(), on)] == names


@pytest.mark.parametrize(
    ("on", "hint"),
    [("haed", "'head'"), ("Linaer", "'Linear'"), ("conv.wieght", "'conv.weight'"), ("bias conv.weight", "")],
)
def test_errors_suggest_similar_names(on: str, hint: str) -> None:
    with pytest.raises(InputError, match="L2: on must match a weight tensor of the network, got on=") as raised:
        surgery.select(network(), on, "L2")
    assert hint in str(raised.value)


def test_tied_weights_are_one_tensor_of_two_layers() -> None:
    model = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 4), nn.Linear(4, 7, bias=False))
    model[2].weight = model[0].weight
    assert [ref.name for ref in surgery.weight_refs(model)] == ["0.weight", "1.weight", "1.bias"]
    assert [(layer.name, layer.first, layer.last) for layer in surgery.layers(model, "kernel")] == [
        ("0", True, False), ("1", False, False), ("2", False, True),
    ]  # fmt: skip
    assert [layer.name for layer in surgery.layers(model, "2")] == ["2"]
    for on in ("0", "2", "2.weight", "Linear 2"):  # a tied tensor matches by each of its names
        assert [ref.name for ref in surgery.select(model, on)] == ["0.weight"]


def test_units_of_each_layout() -> None:
    shapes = {
        nn.Linear(2, 3): [(3, 2)],
        nn.Conv2d(2, 3, 1): [(3, 2, 1, 1)],
        nn.ConvTranspose2d(2, 3, 1): [(3, 2, 1, 1)],
        nn.ConvTranspose2d(4, 4, 1, groups=4): [(1, 1, 1, 1)] * 4,  # each input channel is an output channel
        nn.ConvTranspose1d(4, 6, 5, groups=2): [(3, 2, 5)] * 2,
        nn.Embedding(5, 2): [(5, 2)],
        nn.LSTM(2, 3): [(3, 2)] * 4,
        nn.GRUCell(2, 3): [(3, 2)] * 3,
        nn.MultiheadAttention(4, 2): [(4, 4)] * 3,
    }
    for module, expected in shapes.items():
        ref = surgery.weight_refs(module)[0]
        assert [tuple(block.shape) for block in ref.blocks()] == expected
        with torch.no_grad():
            for number, block in enumerate(ref.blocks()):
                block.fill_(number + 1)  # blocks are views of the weight
        assert float(ref.tensor.detach().min()) == 1
        assert float(ref.tensor.detach().max()) == len(expected)


def test_roles_of_parametrized_weights() -> None:
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
def test_first_last_and_exclusions(on: str, names: list[str] | None) -> None:
    model = nn.Sequential()
    for name in "abc":
        model.add_module(name, nn.Linear(2, 2))
    if names is None:
        with pytest.raises(ValueError, match="on must match a weight tensor"):
            surgery.select(model, on)
    else:
        assert [ref.name for ref in surgery.select(model, on)] == names


class Named(nn.Module):
    def __init__(self, **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)


@pytest.mark.parametrize("name", ["Head", "other", "kernel"])
def test_ends_are_layers_whatever_their_names(name: str) -> None:
    net = Named(body=nn.Linear(2, 3), **{name: nn.Linear(3, 1)})
    assert [ref.name for ref in surgery.select(net, "last")] == [f"{name}.weight"]
    assert [ref.name for ref in surgery.select(net, "!last")] == ["body.weight"]
    assert [ref.name for ref in surgery.select(net, "first last bias")] == ["body.bias", f"{name}.bias"]


def test_the_last_attention_includes_its_output_projection() -> None:
    net = Named(body=nn.Linear(2, 4), attention=nn.MultiheadAttention(4, 1))
    names = ["attention.in_proj_weight", "attention.out_proj.weight"]
    assert [ref.name for ref in surgery.select(net, "last")] == names
    assert [ref.name for ref in surgery.select(net, "!last")] == ["body.weight"]
    assert [ref.name for ref in surgery.select(nn.MultiheadAttention(4, 1), "first")] == [
        "in_proj_weight",
        "out_proj.weight",
    ]


def test_the_projection_of_an_lstm_has_no_gates() -> None:
    lstm = nn.LSTM(3, 6, proj_size=4)
    shapes = {ref.name: [tuple(b.shape) for b in ref.blocks()] for ref in surgery.weight_refs(lstm)}
    assert shapes["weight_hr_l0"] == [(4, 6)]
    assert shapes["weight_ih_l0"] == [(6, 3)] * 4
