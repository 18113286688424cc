from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import nn

from goodfit import surgery
from goodfit.errors import InputError


class BasicNorm(nn.LayerNorm):
    """A normalization whose name and place say nothing of the kind."""


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


def test_kinds_follow_from_types() -> None:
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
        ("norm LayerNorm", ["odd.weight", "odd.bias"]),  # a subclass counts as its base
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
def test_no_match_lists_near_names(on: str, hint: str) -> None:
    with pytest.raises(InputError, match="L2: on must match a weight tensor of the network, got on=") as raised:
        surgery.select(network(), on, "L2")
    assert hint in str(raised.value)


def test_tied_weights_count_once_as_tensors_and_twice_as_layers() -> None:
    model = nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 4), nn.Linear(4, 7, bias=False))
    model[2].weight = model[0].weight
    assert [ref.name for ref in surgery.weight_refs(model)] == ["0.weight", "1.weight", "1.bias"]
    assert [(layer.name, layer.first, layer.last) for layer in surgery.layers(model, "kernel")] == [
        ("0", True, False), ("1", False, False), ("2", False, True),
    ]  # fmt: skip
    assert [layer.name for layer in surgery.layers(model, "2")] == ["2"]
    for on in ("0", "2", "2.weight", "Linear 2"):  # a tied tensor answers to each of its names
        assert [ref.name for ref in surgery.select(model, on)] == ["0.weight"]


def test_layers_are_told_by_type_not_by_name() -> None:
    """A projection of the user's called out_proj is a layer; that inside torch's attention is a part of it."""
    block = nn.Module()
    block.mix, block.out_proj = nn.MultiheadAttention(4, 2), nn.Linear(4, 3)
    found = surgery.layers(block, "kernel")
    assert [(layer.name, layer.first, layer.last) for layer in found] == [
        ("mix", True, False), ("out_proj", False, True),
    ]  # fmt: skip


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
    for module, wanted in shapes.items():
        ref = surgery.weight_refs(module)[0]
        assert [tuple(block.shape) for block in ref.blocks()] == wanted
        with torch.no_grad():
            for number, block in enumerate(ref.blocks()):
                block.fill_(number + 1)  # views: what is written there is written into the weight
        assert float(ref.tensor.detach().min()) == 1
        assert float(ref.tensor.detach().max()) == len(wanted)


def test_features() -> None:
    assert surgery.features(nn.Linear(2, 3)) == (3, 0)
    assert surgery.features(nn.Conv1d(2, 3, 1)) == (3, 1)
    assert surgery.features(nn.ConvTranspose3d(2, 5, 1)) == (5, 3)
    assert surgery.features(nn.LSTM(2, 3)) is None


def double(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return 2 * x


def test_hooks_change_come_off_and_can_be_copied() -> None:
    layer, x = nn.Linear(2, 2), torch.ones(1, 2)
    plain = layer(x)
    handles = [surgery.change_input(layer, double), surgery.append_layer(layer, "more", nn.Linear(2, 2))]
    expected = layer.more(nn.functional.linear(2 * x, layer.weight, layer.bias))
    assert torch.equal(layer(x), expected)
    twin = copy.deepcopy(layer)
    with torch.no_grad():
        twin.more.weight.zero_()
        twin.more.bias.fill_(7)
    assert twin(x).tolist() == [[7.0, 7.0]]
    assert torch.equal(layer(x), expected)
    assert torch.equal(pickle.loads(pickle.dumps(layer))(x), expected)
    for handle in handles:
        handle.remove()
    del layer.more
    assert torch.equal(layer(x), plain)
    assert not layer._forward_hooks
    assert not layer._forward_pre_hooks


def test_inputs_that_are_no_floats_pass() -> None:
    layer = nn.Embedding(3, 2)
    surgery.change_input(layer, double)
    rows = torch.tensor([0, 2])
    assert torch.equal(layer(rows), layer.weight[rows])


def test_batch_statistics_are_found() -> None:
    assert surgery.has_batch_norm(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)))
    assert not surgery.has_batch_norm(nn.Sequential(nn.LayerNorm(2)))
    assert not surgery.has_batch_norm(nn.BatchNorm1d(2, track_running_stats=False))
