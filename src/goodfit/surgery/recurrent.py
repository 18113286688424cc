"""Recurrent layers computed one time step after another, so that something may act at each of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from goodfit.errors import InputError

State = tuple[Tensor, ...]
"""The hidden state (batch, hidden), and for an LSTM its cell state (batch, cells)."""


class StepHooks(Protocol):
    """What acts at each step of a recurrence; where every method returns what it is given, torch's own remains."""

    def inputs(self, x: Tensor, h: Tensor) -> Tensor:
        """The sequence (time, batch, features) that one layer and direction sees, h like its hidden state.

        Called once per layer and direction, before its steps.
        """
        ...

    def hidden(self, h: Tensor) -> Tensor:
        """The hidden state (batch, hidden) as it enters the recurrent product."""
        ...

    def state(self, new: Tensor, old: Tensor, cell: bool, time: int) -> Tensor:
        """The state after a step; `cell`: the LSTM's cell state; `time`: the place in the sequence."""
        ...


def unroll(
    layer: nn.RNNBase, x: Tensor | PackedSequence, hx: Tensor | State | None, *steps: StepHooks
) -> tuple[Tensor | PackedSequence, Tensor | State]:
    """What `layer(x, hx)` returns, computed step by step; `steps` may act at each, one after another.

    Shape: x as the layer takes it: (time, batch, features), (batch, time, features) with batch_first, (time, features)
    without a batch, or packed, where the rows of a sequence that has ended stay as they are.

    >>> layer, x = nn.LSTM(3, 4, num_layers=2, bidirectional=True), torch.ones(5, 2, 3)
    >>> output, (h, c) = unroll(layer, x, None)
    >>> torch.allclose(output, layer(x)[0], atol=1e-6), tuple(h.shape)
    (True, (4, 2, 4))

    Raises:
        InputError: x or hx has a shape that the layer does not take.
    """
    sequence, alive = _time_first(layer, x)
    start = _start(layer, sequence, hx)
    if isinstance(x, PackedSequence) and x.sorted_indices is not None and hx is not None:
        start = tuple(s.index_select(1, x.sorted_indices) for s in start)
    output, end = _layers(layer, sequence, start, alive, _All(steps))
    if isinstance(x, PackedSequence):
        assert alive is not None
        data = output[alive.squeeze(-1)]
        if x.unsorted_indices is not None:
            end = tuple(s.index_select(1, x.unsorted_indices) for s in end)
        return PackedSequence(data, x.batch_sizes, x.sorted_indices, x.unsorted_indices), _as_torch(end)
    if x.ndim == 2:
        return output.squeeze(1), _as_torch(tuple(s.squeeze(1) for s in end))
    return output.transpose(0, 1) if layer.batch_first else output, _as_torch(end)


@dataclass(frozen=True)
class _All:
    """Several that act at each step, in their order; none changes nothing."""

    parts: tuple[StepHooks, ...]

    def inputs(self, x: Tensor, h: Tensor) -> Tensor:
        for part in self.parts:
            x = part.inputs(x, h)
        return x

    def hidden(self, h: Tensor) -> Tensor:
        for part in self.parts:
            h = part.hidden(h)
        return h

    def state(self, new: Tensor, old: Tensor, cell: bool, time: int) -> Tensor:
        for part in self.parts:
            new = part.state(new, old, cell, time)
        return new


def _as_torch(state: State) -> Tensor | State:
    return state if len(state) > 1 else state[0]


def _time_first(layer: nn.RNNBase, x: Tensor | PackedSequence) -> tuple[Tensor, Tensor | None]:
    """The sequence as (time, batch, features), and for a packed one where it has not ended (time, batch, 1)."""
    if isinstance(x, PackedSequence):
        padded, lengths = pad_packed_sequence(PackedSequence(x.data, x.batch_sizes))
        alive = torch.arange(len(padded))[:, None] < lengths
        return padded, alive.unsqueeze(-1).to(padded.device)
    if x.ndim not in (2, 3):
        raise InputError(f"{type(layer).__name__}: its input must have 2 or 3 dimensions, got shape {tuple(x.shape)}.")
    if x.ndim == 2:
        return x.unsqueeze(1), None
    return (x.transpose(0, 1) if layer.batch_first else x), None


def _start(layer: nn.RNNBase, x: Tensor, hx: Tensor | State | None) -> State:
    """The states before the first step, each (layers · directions, batch, size)."""
    rows = layer.num_layers * (2 if layer.bidirectional else 1)
    sizes = [layer.proj_size or layer.hidden_size, layer.hidden_size][: 2 if layer.mode == "LSTM" else 1]
    expected = [(rows, x.shape[1], size) for size in sizes]
    if hx is None:
        return tuple(x.new_zeros(shape) for shape in expected)
    given = tuple(hx) if isinstance(hx, (tuple, list)) else (hx,)
    given = tuple(s.unsqueeze(1) if s.ndim == 2 else s for s in given)
    if [tuple(s.shape) for s in given] != expected:
        raise InputError(
            f"{type(layer).__name__}: hx must have shape {' and '.join(map(str, expected))}, got "
            f"{' and '.join(str(tuple(s.shape)) for s in given)}."
        )
    return given


def _layers(
    layer: nn.RNNBase, x: Tensor, start: State, alive: Tensor | None, steps: StepHooks
) -> tuple[Tensor, State]:  # fmt: skip
    directions = 2 if layer.bidirectional else 1
    ends = []
    for number in range(layer.num_layers):
        if number and layer.dropout and layer.training:
            x = _dropped(x, layer.dropout, alive)
        outputs = []
        for direction in range(directions):
            row = number * directions + direction
            cell = _Cell.of(layer, number, backward=direction == 1)
            output, end = _pass(cell, x, tuple(s[row] for s in start), alive, steps)
            outputs.append(output)
            ends.append(end)
        x = torch.cat(outputs, -1) if directions == 2 else outputs[0]
    return x, tuple(torch.stack(rows) for rows in zip(*ends, strict=True))


def _dropped(x: Tensor, rate: float, alive: Tensor | None) -> Tensor:
    """The layer's own dropout, drawn as torch draws it: of a packed sequence, for its data alone."""
    if alive is None:
        return F.dropout(x, rate)
    return x.masked_scatter(alive, F.dropout(x[alive.squeeze(-1)], rate))


def _pass(cell: _Cell, x: Tensor, state: State, alive: Tensor | None, steps: StepHooks) -> tuple[Tensor, State]:
    """One direction of one layer: its outputs (time, batch, hidden) and its last state."""
    gates = F.linear(steps.inputs(x, state[0]), cell.w_ih, cell.b_ih).unbind(0)
    outputs: list[Tensor] = [x] * len(gates)
    for time in reversed(range(len(gates))) if cell.backward else range(len(gates)):
        new = cell.step(gates[time], steps.hidden(state[0]), state)
        kept = tuple(steps.state(n, old, i == 1, time) for i, (n, old) in enumerate(zip(new, state, strict=True)))
        if alive is not None:
            kept = tuple(torch.where(alive[time], k, old) for k, old in zip(kept, state, strict=True))
        state, outputs[time] = kept, kept[0]
    return torch.stack(outputs), state


@dataclass(frozen=True)
class _Cell:
    """The weights of one direction of one layer, and what a step does with them."""

    formula: Callable[[Tensor, Tensor, State], State]
    backward: bool
    w_ih: Tensor
    w_hh: Tensor
    b_ih: Tensor | None
    b_hh: Tensor | None
    w_hr: Tensor | None

    @classmethod
    def of(cls, layer: nn.RNNBase, number: int, backward: bool) -> _Cell:
        # By attribute, not from torch's flat list: this sees weights that are swapped or reparametrised, too.
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
        end = f"_l{number}{'_reverse' if backward else ''}"
        weights: list[Any] = [getattr(layer, name + end, None) for name in names]
        return cls(FORMULAS[layer.mode], backward, *weights)

    def step(self, from_input: Tensor, fed: Tensor, old: State) -> State:
        h, *cells = self.formula(from_input, F.linear(fed, self.w_hh, self.b_hh), old)
        return (h if self.w_hr is None else F.linear(h, self.w_hr), *cells)


def _tanh(x: Tensor, h: Tensor, old: State) -> State:
    return (torch.tanh(x + h),)


def _relu(x: Tensor, h: Tensor, old: State) -> State:
    return (torch.relu(x + h),)


def _gru(x: Tensor, h: Tensor, old: State) -> State:
    (x_r, x_z, x_n), (h_r, h_z, h_n) = x.chunk(3, -1), h.chunk(3, -1)
    z = torch.sigmoid(x_z + h_z)
    n = torch.tanh(x_n + torch.sigmoid(x_r + h_r) * h_n)
    return (n + z * (old[0] - n),)


def _lstm(x: Tensor, h: Tensor, old: State) -> State:
    i, f, g, o = (x + h).chunk(4, -1)
    c = torch.sigmoid(f) * old[1] + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


FORMULAS = {"RNN_TANH": _tanh, "RNN_RELU": _relu, "GRU": _gru, "LSTM": _lstm}
"""torch's name of the kind → (from the input, from the fed hidden state, old state) → new state."""
