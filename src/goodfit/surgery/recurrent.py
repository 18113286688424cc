"""Recurrent layers computed step by step, so that hooks can act at every time step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import PackedSequence, pad_packed_sequence

from goodfit.errors import InputError

HiddenState = tuple[Tensor, ...]
"""The hidden state (batch, hidden), followed by the cell state (batch, cells) of an LSTM."""


class StepHooks(Protocol):
    """Functions applied at each step of a recurrence. If all are the identity, the result is that of torch."""

    def inputs(self, x: Tensor, h: Tensor) -> Tensor:
        """Transform the input sequence (time, batch, features) of one layer and direction, once before its steps.

        `h` is the initial hidden state (batch, hidden).
        """
        ...

    def hidden(self, h: Tensor) -> Tensor:
        """Transform the hidden state (batch, hidden) before its product with the recurrent weights."""
        ...

    def state(self, new: Tensor, old: Tensor, cell: bool, time: int) -> Tensor:
        """Transform the state after a step.

        Args:
            new: the state after the step, (batch, size).
            old: the state before it.
            cell: whether this is the cell state of an LSTM.
            time: the index of the step in the sequence.
        """
        ...


def unroll(
    layer: nn.RNNBase, x: Tensor | PackedSequence, hx: Tensor | HiddenState | None, *hooks: StepHooks
) -> tuple[Tensor | PackedSequence, Tensor | HiddenState]:
    """Compute `layer(x, hx)` step by step; all `hooks` act at each step, in their order.

    Shape: x: any input of the layer: (time, batch, features), or (batch, time, features) with batch_first, or (time,
    features) without a batch, or packed; the state of a packed sequence that has ended no longer changes.

    >>> layer, x = nn.LSTM(3, 4, num_layers=2, bidirectional=True), torch.ones(5, 2, 3)
    >>> output, (h, c) = unroll(layer, x, None)
    >>> torch.allclose(output, layer(x)[0], atol=1e-6), tuple(h.shape)
    (True, (4, 2, 4))

    Raises:
        InputError: x or hx has a shape that the layer does not take.
    """
    sequence, active = _time_first(layer, x)
    start = _start(layer, sequence, hx)
    if isinstance(x, PackedSequence) and x.sorted_indices is not None and hx is not None:
        start = tuple(s.index_select(1, x.sorted_indices) for s in start)
    output, end = _layers(layer, sequence, start, active, _AllHooks(hooks))
    if isinstance(x, PackedSequence):
        assert active is not None
        data = output[active.squeeze(-1)]
        if x.unsorted_indices is not None:
            end = tuple(s.index_select(1, x.unsorted_indices) for s in end)
        return PackedSequence(data, x.batch_sizes, x.sorted_indices, x.unsorted_indices), _as_torch(end)
    if x.ndim == 2:
        return output.squeeze(1), _as_torch(tuple(s.squeeze(1) for s in end))
    return output.transpose(0, 1) if layer.batch_first else output, _as_torch(end)


@dataclass(frozen=True)
class _AllHooks:
    """Applies several hooks in their order."""

    hooks: tuple[StepHooks, ...]

    def inputs(self, x: Tensor, h: Tensor) -> Tensor:
        for hook in self.hooks:
            x = hook.inputs(x, h)
        return x

    def hidden(self, h: Tensor) -> Tensor:
        for hook in self.hooks:
            h = hook.hidden(h)
        return h

    def state(self, new: Tensor, old: Tensor, cell: bool, time: int) -> Tensor:
        for hook in self.hooks:
            new = hook.state(new, old, cell, time)
        return new


def _as_torch(state: HiddenState) -> Tensor | HiddenState:
    return state if len(state) > 1 else state[0]


def _time_first(layer: nn.RNNBase, x: Tensor | PackedSequence) -> tuple[Tensor, Tensor | None]:
    """The sequence as (time, batch, features); for a packed one also the mask of its steps (time, batch, 1)."""
    if isinstance(x, PackedSequence):
        padded, lengths = pad_packed_sequence(PackedSequence(x.data, x.batch_sizes))
        active = torch.arange(len(padded))[:, None] < lengths
        return padded, active.unsqueeze(-1).to(padded.device)
    if x.ndim not in (2, 3):
        raise InputError(f"{type(layer).__name__}: its input must have 2 or 3 dimensions, got shape {tuple(x.shape)}.")
    if x.ndim == 2:
        return x.unsqueeze(1), None
    return (x.transpose(0, 1) if layer.batch_first else x), None


def _start(layer: nn.RNNBase, x: Tensor, hx: Tensor | HiddenState | None) -> HiddenState:
    """The initial states, each (layers · directions, batch, size)."""
    rows = layer.num_layers * (2 if layer.bidirectional else 1)
    sizes = [layer.proj_size or layer.hidden_size, layer.hidden_size][: 2 if layer.mode == "LSTM" else 1]
    expected = [(rows, x.shape[1], size) for size in sizes]
    if hx is None:
        return tuple(x.new_zeros(shape) for shape in expected)
    states = tuple(hx) if isinstance(hx, (tuple, list)) else (hx,)
    states = tuple(s.unsqueeze(1) if s.ndim == 2 else s for s in states)
    if [tuple(s.shape) for s in states] != expected:
        raise InputError(
            f"{type(layer).__name__}: hx must have shape {' and '.join(map(str, expected))}, got "
            f"{' and '.join(str(tuple(s.shape)) for s in states)}."
        )
    return states


def _layers(
    layer: nn.RNNBase, x: Tensor, start: HiddenState, active: Tensor | None, hooks: StepHooks
) -> tuple[Tensor, HiddenState]:  # fmt: skip
    directions = 2 if layer.bidirectional else 1
    ends = []
    for number in range(layer.num_layers):
        if number and layer.dropout and layer.training:
            x = _dropout(x, layer.dropout, active)
        outputs = []
        for direction in range(directions):
            row = number * directions + direction
            cell = _Cell.of(layer, number, backward=direction == 1)
            output, end = _run_direction(cell, x, tuple(s[row] for s in start), active, hooks)
            outputs.append(output)
            ends.append(end)
        x = torch.cat(outputs, -1) if directions == 2 else outputs[0]
    return x, tuple(torch.stack(rows) for rows in zip(*ends, strict=True))


def _dropout(x: Tensor, rate: float, active: Tensor | None) -> Tensor:
    """The dropout between layers, drawn as torch draws it: for a packed sequence only for its data."""
    if active is None:
        return F.dropout(x, rate)
    return x.masked_scatter(active, F.dropout(x[active.squeeze(-1)], rate))


def _run_direction(
    cell: _Cell, x: Tensor, state: HiddenState, active: Tensor | None, hooks: StepHooks
) -> tuple[Tensor, HiddenState]:
    """Run one direction of one layer; returns its outputs (time, batch, hidden) and its last state."""
    gates = F.linear(hooks.inputs(x, state[0]), cell.w_ih, cell.b_ih).unbind(0)
    outputs: list[Tensor] = [x] * len(gates)
    for time in reversed(range(len(gates))) if cell.backward else range(len(gates)):
        new = cell.step(gates[time], hooks.hidden(state[0]), state)
        new = tuple(hooks.state(n, old, i == 1, time) for i, (n, old) in enumerate(zip(new, state, strict=True)))
        if active is not None:
            new = tuple(torch.where(active[time], n, old) for n, old in zip(new, state, strict=True))
        state, outputs[time] = new, new[0]
    return torch.stack(outputs), state


@dataclass(frozen=True)
class _Cell:
    """The weights of one direction of one layer, and the computation of a step."""

    formula: Callable[[Tensor, Tensor, HiddenState], HiddenState]
    backward: bool
    w_ih: Tensor
    w_hh: Tensor
    b_ih: Tensor | None
    b_hh: Tensor | None
    w_hr: Tensor | None

    @classmethod
    def of(cls, layer: nn.RNNBase, number: int, backward: bool) -> _Cell:
        # Attributes, not torch's flat list, because they include replaced and parametrized weights.
        names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr")
        end = f"_l{number}{'_reverse' if backward else ''}"
        weights: list[Any] = [getattr(layer, name + end, None) for name in names]
        return cls(FORMULAS[layer.mode], backward, *weights)

    def step(self, from_input: Tensor, h: Tensor, old: HiddenState) -> HiddenState:
        new_h, *cells = self.formula(from_input, F.linear(h, self.w_hh, self.b_hh), old)
        return (new_h if self.w_hr is None else F.linear(new_h, self.w_hr), *cells)


def _tanh(x: Tensor, h: Tensor, old: HiddenState) -> HiddenState:
    return (torch.tanh(x + h),)


def _relu(x: Tensor, h: Tensor, old: HiddenState) -> HiddenState:
    return (torch.relu(x + h),)


def _gru(x: Tensor, h: Tensor, old: HiddenState) -> HiddenState:
    (x_r, x_z, x_n), (h_r, h_z, h_n) = x.chunk(3, -1), h.chunk(3, -1)
    z = torch.sigmoid(x_z + h_z)
    n = torch.tanh(x_n + torch.sigmoid(x_r + h_r) * h_n)
    return (n + z * (old[0] - n),)


def _lstm(x: Tensor, h: Tensor, old: HiddenState) -> HiddenState:
    i, f, g, o = (x + h).chunk(4, -1)
    c = torch.sigmoid(f) * old[1] + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


FORMULAS = {"RNN_TANH": _tanh, "RNN_RELU": _relu, "GRU": _gru, "LSTM": _lstm}
"""torch's name of the layer's mode → function of (input product, recurrent product, old state) → new state."""
