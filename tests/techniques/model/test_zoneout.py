from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from goodfit.errors import InputError
from goodfit.ops.dropout import keep_mask, quantize_rate
from goodfit.recipe import Recipe
from goodfit.surgery import layers, unroll
from goodfit.techniques import Zoneout
from goodfit.train.stages.on_model import attach_layers


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class FixedMasks:
    """Applies the technique with given masks, or as in evaluation if there are none."""

    def __init__(self, technique: Zoneout, draw: tuple[Tensor, ...] | None) -> None:
        self.technique, self.draw = technique, draw

    def inputs(self, x: Tensor, h: Tensor) -> Tensor:
        return x if self.draw is None else self.technique.transform_input(x, self.draw)

    def hidden(self, h: Tensor) -> Tensor:
        return h if self.draw is None else self.technique.transform_hidden(h, self.draw)

    def state(self, new: Tensor, old: Tensor, cell: bool, time: int) -> Tensor:
        if self.draw is None:
            return self.technique.expected_state(new, old, cell)
        return self.technique.next_state(new, old, cell, time, self.draw)


def make(kind: type[nn.RNNBase], *sizes: int, **options: int) -> nn.RNNBase:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind(*sizes, **options).double()


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=generator(), dtype=torch.float64)


def lstm_in_numpy(layer: nn.RNNBase, x: Tensor, keep_h: np.ndarray, keep_c: np.ndarray) -> np.ndarray:
    """Krueger's equations: c_t = d c_{t−1} + (1 − d)(f c_{t−1} + i g), h_t likewise from o tanh(f c_{t−1} + i g)."""
    w, u = layer.weight_ih_l0.detach().numpy(), layer.weight_hh_l0.detach().numpy()
    bias = (layer.bias_ih_l0 + layer.bias_hh_l0).detach().numpy()
    h = c = np.zeros((x.shape[1], layer.hidden_size))
    outputs = []
    for t, row in enumerate(x.numpy()):
        i, f, g, o = np.split(row @ w.T + h @ u.T + bias, 4, axis=1)
        i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
        new_cell = f * c + i * np.tanh(g)
        h = keep_h[t] * h + (1 - keep_h[t]) * o * np.tanh(new_cell)
        c = keep_c[t] * c + (1 - keep_c[t]) * new_cell
        outputs.append(h)
    return np.stack(outputs)


def test_training_and_evaluation_follow_the_papers_equations() -> None:
    layer, x, zoneout = make(nn.LSTM, 3, 4), normal(6, 2, 3), Zoneout(0.3, cell_rate=0.6)
    draw = zoneout.draw(x, x.new_zeros(2, 4), generator(1))
    keep = [
        1 - keep_mask(d, quantize_rate(rate), torch.float64).numpy() for d, rate in zip(draw, (0.3, 0.6), strict=True)
    ]
    assert 0 < keep[0].mean() < keep[1].mean() < 1
    output, _ = unroll(layer, x, None, FixedMasks(zoneout, draw))
    np.testing.assert_allclose(output.detach().numpy(), lstm_in_numpy(layer, x, *keep), rtol=1e-10, atol=1e-13)
    output, _ = unroll(layer, x, None, FixedMasks(zoneout, None))
    expected = lstm_in_numpy(layer, x, np.full((6, 2, 4), quantize_rate(0.3)), np.full((6, 2, 4), quantize_rate(0.6)))
    np.testing.assert_allclose(output.detach().numpy(), expected, rtol=1e-10, atol=1e-13)


def test_fractions_and_new_masks_at_every_time_step() -> None:
    zoneout, new, old = Zoneout(0.2, cell_rate=0.7), torch.zeros(50, 60), torch.ones(50, 60)
    draw = zoneout.draw(torch.ones(20, 50, 1), new, generator())
    for cell, fraction in ((False, 0.2), (True, 0.7)):
        keep = torch.stack([zoneout.next_state(new, old, cell, t, draw) for t in range(20)])
        assert set(keep.unique().tolist()) == {0.0, 1.0}
        assert float(keep.mean()) == pytest.approx(fraction, abs=0.01)
        assert len({tuple(step.flatten().tolist()) for step in keep}) == 20


def test_one_unit_by_hand(bits_for_mask: Callable[[Tensor], Tensor]) -> None:
    """A unit that is kept twice outputs the same number three times; evaluation moves half of the distance."""
    layer = make(nn.RNN, 1, 1)
    with torch.no_grad():
        for weight in layer.parameters():
            weight.zero_()
        layer.weight_ih_l0.fill_(1.0)
    x = torch.tensor([0.5, 1.0, -1.0, 2.0]).double().reshape(4, 1, 1)
    bits = bits_for_mask(torch.tensor([1.0, 0.0, 0.0, 1.0]).reshape(4, 1, 1))
    output, _ = unroll(layer, x, None, FixedMasks(Zoneout(0.5), (bits, bits)))
    a, b, c, d = np.tanh([0.5, 1.0, -1.0, 2.0])
    np.testing.assert_allclose(output.detach().flatten().numpy(), [a, a, a, d], rtol=1e-14)
    output, _ = unroll(layer, x, None, FixedMasks(Zoneout(0.5), None))
    halves = [a / 2, a / 4 + b / 2, a / 8 + b / 4 + c / 2, a / 16 + b / 8 + c / 4 + d / 2]
    np.testing.assert_allclose(output.detach().flatten().numpy(), halves, rtol=1e-14)


def test_evaluation_is_the_mean_over_draws() -> None:
    zoneout, new, old = Zoneout(0.3, cell_rate=0.8), normal(2, 4), normal(3, 2, 4)[2]
    draw = zoneout.draw(torch.ones(20_000, 2, 1), new, generator())
    for cell in (False, True):
        mean = torch.stack([zoneout.next_state(new, old, cell, t, draw) for t in range(20_000)]).mean(0)
        torch.testing.assert_close(mean, zoneout.expected_state(new, old, cell), atol=0.05, rtol=0)
    assert zoneout.acts_in_eval


def test_neutral_is_bit_equal() -> None:
    zoneout, x = Zoneout(0.0, cell_rate=0.0), normal(5, 2, 3)
    new, old = normal(2, 4), normal(3, 2, 4)[2]
    draw = zoneout.draw(x, new, generator())
    assert zoneout.transform_input(x, draw) is x
    assert zoneout.transform_hidden(new, draw) is new
    for cell in (False, True):
        assert torch.equal(zoneout.next_state(new, old, cell, 3, draw), new)
        assert torch.equal(zoneout.expected_state(new, old, cell), new)


def test_strengths_can_be_tensors_and_dtype_is_kept() -> None:
    zoneout = Zoneout().with_values(rate=torch.tensor(0.5), cell_rate=torch.tensor(0.9))
    new, old = torch.zeros(20, 30), torch.ones(20, 30)
    draw = zoneout.draw(torch.ones(50, 20, 1), new, generator())
    for cell, fraction in ((False, 0.5), (True, 0.9)):
        keep = torch.stack([zoneout.next_state(new, old, cell, t, draw) for t in range(50)])
        assert float(keep.mean()) == pytest.approx(fraction, abs=0.01)
        assert keep.dtype == torch.float32
    assert zoneout.expected_state(torch.ones(2), torch.zeros(2), True).dtype == torch.float32


def test_states_of_different_sizes_are_an_error() -> None:
    layer, x, zoneout = make(nn.LSTM, 3, 4, proj_size=2), normal(5, 2, 3), Zoneout(0.5)
    draw = zoneout.draw(x, x.new_zeros(2, 2), generator())
    with pytest.raises(InputError, match="Zoneout: hidden state and cell state must have the same size"):
        unroll(layer, x, None, FixedMasks(zoneout, draw))


def test_recurrent_layers_are_selected() -> None:
    model = nn.ModuleList([nn.Linear(2, 2), nn.LSTM(2, 3), nn.RNN(3, 3), nn.Linear(3, 1)])
    assert [layer.name for layer in layers(model, Zoneout().on)] == ["1", "2"]


def test_in_a_network_evaluation_uses_the_expectation() -> None:
    layer, x, zoneout = make(nn.LSTM, 3, 4), normal(5, 2, 3), Zoneout(0.4)
    plain = layer(x)[0].detach()
    attachment = attach_layers(layer, Recipe.of(zoneout))
    attachment.context.generator = generator(2)
    first, second = layer(x)[0], layer(x)[0]
    assert not torch.allclose(first, second)
    expected = unroll(layer, x, None, FixedMasks(zoneout, None))[0]
    assert torch.equal(attachment.remove_training_hooks().eval()(x)[0], expected)
    assert not torch.allclose(expected, plain)
    assert torch.equal(attachment.detach()(x)[0], plain)
