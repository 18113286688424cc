from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from goodfit.ops.dropout import dropout_factors, quantize_rate
from goodfit.recipe import Recipe
from goodfit.surgery import layers, unroll
from goodfit.techniques import VariationalDropout
from goodfit.train.stages.on_model import attach_layers


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class FixedMasks:
    """Applies the technique with given masks to every layer."""

    def __init__(self, technique: VariationalDropout, draw: tuple[Tensor, ...]) -> None:
        self.technique, self.draw = technique, draw

    def inputs(self, x: Tensor, h: Tensor) -> Tensor:
        return self.technique.transform_input(x, self.draw)

    def hidden(self, h: Tensor) -> Tensor:
        return self.technique.transform_hidden(h, self.draw)

    def state(self, new: Tensor, old: Tensor, cell: bool, time: int) -> Tensor:
        return self.technique.next_state(new, old, cell, time, self.draw)


def make(kind: type[nn.RNNBase], *sizes: int) -> nn.RNNBase:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind(*sizes).double()


@pytest.mark.parametrize(("rate", "recurrent_rate"), [(0.1, 0.6), (0.5, 0.2)])
def test_dropped_fractions_scale_and_one_mask_for_all_time_steps(rate: float, recurrent_rate: float) -> None:
    dropout = VariationalDropout(rate, recurrent_rate)
    x, h = torch.full((3, 200, 300), 2.0, dtype=torch.float64), torch.full((200, 400), -3.0, dtype=torch.float64)
    draw = dropout.draw(x, h, generator())
    masked, fed = dropout.transform_input(x, draw), dropout.transform_hidden(h, draw)
    assert torch.equal(masked[0], masked[1])
    assert torch.equal(masked[0], masked[2])
    for changed, value, fraction in ((masked[0], 2.0, rate), (fed, -3.0, recurrent_rate)):
        assert float((changed == 0).double().mean()) == pytest.approx(fraction, abs=0.005)
        torch.testing.assert_close(
            changed[changed != 0].unique(), torch.tensor([value / (1 - quantize_rate(fraction))]).double()
        )
        assert len({tuple(row) for row in changed.tolist()}) == 200  # each sample has its own mask
    assert masked.dtype == fed.dtype == torch.float64


def test_by_hand(bits_for_mask: Callable[[Tensor], Tensor]) -> None:
    """h_t = tanh(w m x_t / (1 − p) + u n h_{t−1} / (1 − q)), for two units; the state of one is dropped."""
    layer = make(nn.RNN, 1, 2)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.tensor([[0.5], [-0.25]]))
        layer.weight_hh_l0.copy_(torch.tensor([[0.1, 0.2], [0.3, 0.4]], dtype=torch.float64))
        layer.bias_ih_l0.zero_()
        layer.bias_hh_l0.zero_()
    masks = bits_for_mask(torch.tensor([[1.0]])), bits_for_mask(torch.tensor([[0.0, 1.0]]))
    x = torch.tensor([1.0, 2.0]).double().reshape(2, 1, 1)
    output, _ = unroll(layer, x, None, FixedMasks(VariationalDropout(0.5, 0.25), masks))
    first = torch.tanh(torch.tensor([1.0, -0.5]).double())
    fed = first[1] / 0.75
    second = torch.tanh(torch.stack([2.0 + 0.2 * fed, -1.0 + 0.4 * fed]))
    torch.testing.assert_close(output[:, 0], torch.stack([first, second]), rtol=1e-12, atol=0)


def test_equals_keras_with_the_same_masks() -> None:
    keras = pytest.importorskip("keras")
    layer = make(nn.LSTM, 3, 4)
    cell = keras.layers.LSTMCell(4, dropout=0.4, recurrent_dropout=0.25, implementation=1, dtype="float64")
    cell.build((2, 3))
    bias = (layer.bias_ih_l0 + layer.bias_hh_l0).detach().numpy()
    cell.set_weights([layer.weight_ih_l0.detach().numpy().T, layer.weight_hh_l0.detach().numpy().T, bias])
    dropout = VariationalDropout(0.4, 0.25)
    x = torch.randn(5, 2, 3, generator=generator(), dtype=torch.float64)
    draw = dropout.draw(x, x.new_zeros(2, 4), generator(3))
    cell._dropout_mask = [dropout_factors(draw[0], 0.4, torch.float64)] * 4
    cell._recurrent_dropout_mask = [dropout_factors(draw[1], 0.25, torch.float64)] * 4
    states: Any = [x.new_zeros(2, 4), x.new_zeros(2, 4)]
    expected = []
    for row in x:
        h, states = cell(row, states, training=True)
        expected.append(h.detach())
    output, _ = unroll(layer, x, None, FixedMasks(dropout, draw))
    torch.testing.assert_close(output.detach(), torch.stack(expected), rtol=0, atol=1e-6)  # Keras rounds to float32
    assert not torch.allclose(output, layer(x)[0])


def test_neutral_is_bit_equal() -> None:
    dropout = VariationalDropout(0.0, 0.0)
    x = torch.randn(5, 2, 3, generator=generator())
    h = torch.randn(2, 4, generator=generator(1))
    draw = dropout.draw(x, h, generator())
    assert torch.equal(dropout.transform_input(x, draw), x)
    assert torch.equal(dropout.transform_hidden(h, draw), h)
    assert dropout.next_state(h, h + 1, False, 0, draw) is h
    assert dropout.expected_state(h, h + 1, False) is h
    assert not dropout.acts_in_eval


def test_strengths_can_be_tensors() -> None:
    dropout = VariationalDropout().with_values(rate=torch.tensor(0.5), recurrent_rate=torch.tensor(0.75))
    x, h = torch.ones(2, 50, 60), torch.ones(50, 60)
    draw = dropout.draw(x, h, generator())
    assert sorted(set(dropout.transform_input(x, draw).flatten().tolist())) == [0.0, 2.0]
    assert sorted(set(dropout.transform_hidden(h, draw).flatten().tolist())) == [0.0, 4.0]


def test_recurrent_layers_are_selected() -> None:
    model = nn.ModuleList([nn.Linear(2, 2), nn.LSTM(2, 3), nn.GRU(3, 3), nn.Linear(3, 1)])
    assert [layer.name for layer in layers(model, VariationalDropout().on)] == ["1", "2"]


def test_in_a_network_acts_in_training_only() -> None:
    layer, x = make(nn.GRU, 3, 4), torch.randn(5, 2, 3, generator=generator(), dtype=torch.float64)
    plain = layer(x)[0].detach()
    attachment = attach_layers(layer, Recipe.of(VariationalDropout(0.5, 0.5)))
    attachment.context.generator = generator(2)
    first, second = layer(x)[0], layer(x)[0]
    assert not torch.allclose(first, plain)
    assert not torch.allclose(first, second)
    draw = VariationalDropout(0.5, 0.5).draw(x, x.new_zeros(2, 4), generator(2))
    expected, _ = unroll(layer, x, None, FixedMasks(VariationalDropout(0.5, 0.5), draw))
    assert torch.equal(first, expected)
    assert torch.equal(layer.eval()(x)[0], plain)
