from __future__ import annotations

import copy
import pickle

import torch
from torch import Tensor, nn

from goodfit import surgery


def double(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
    return 2 * x


def test_hooks_can_be_copied_and_removed() -> None:
    layer, x = nn.Linear(2, 2), torch.ones(1, 2)
    original = layer(x)
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
    assert torch.equal(layer(x), original)
    assert not layer._forward_hooks
    assert not layer._forward_pre_hooks


def test_integer_inputs_are_not_changed() -> None:
    layer = nn.Embedding(3, 2)
    surgery.change_input(layer, double)
    rows = torch.tensor([0, 2])
    assert torch.equal(layer(rows), layer.weight[rows])


def test_a_norm_after_a_linear_layer_normalizes_the_last_dimension() -> None:
    layer, x = nn.Linear(3, 4), torch.randn(5, 7, 3, generator=torch.Generator().manual_seed(0))
    plain = layer(x)
    surgery.append_layer(layer, "batch_norm", nn.BatchNorm1d(4))
    rows = plain.reshape(-1, 4)
    expected = (rows - rows.mean(0)) / (rows.var(0, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(layer(x), expected.reshape(5, 7, 4))


def test_all_inputs_of_attention_and_packed_sequences_are_changed() -> None:
    dimensions: list[int] = []

    def zero(layer: nn.Module, x: Tensor) -> Tensor:
        dimensions.append(x.ndim)
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
    assert dimensions == [3, 3, 2, 2]


def test_inputs_passed_by_keyword() -> None:
    layer, x = nn.Linear(2, 2), torch.ones(1, 2)
    expected = layer(2 * x)
    surgery.change_input(layer, double)
    assert torch.equal(layer(input=x), expected)
    attention = nn.MultiheadAttention(2, 1).eval()
    expected = attention(2 * x, 2 * x, 2 * x)[0]
    surgery.change_input(attention, double)
    assert torch.equal(attention(value=x, key=x, query=x)[0], expected)
    gru, state = nn.GRU(2, 2), torch.zeros(1, 2)
    expected = gru(2 * x, state)[0]
    surgery.change_input(gru, double)
    assert torch.equal(gru(hx=state, input=x)[0], expected)
