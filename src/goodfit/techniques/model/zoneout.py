"""Zoneout: hidden units that keep their value for a step."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.errors import InputError
from goodfit.ops.dropout import keep_mask, quantize_rate, random_bits
from goodfit.reference import Reference
from goodfit.stages import Draw, Recurrent, selector
from goodfit.technique import knob


class Zoneout(Recurrent):
    """Lets a random share of a recurrent layer's units keep their state from one time step to the next.

    Formula: s_t ← m · s_{t−1} + (1 − m) · s_t, m ~ Bernoulli(rate) for the hidden state and Bernoulli(cell_rate) for
    an LSTM's cell state, drawn anew per step, sample and unit; the new hidden state is computed from the new cell
    state, before cells keep theirs. Evaluation uses the expectation: rate in place of m. Rates are rounded to 1/65536.

    Shape: states (batch, hidden); RNN, GRU and LSTM, of torch; an LSTM with proj_size is refused in training.

    Helps when: recurrent layers overfit on long sequences; unlike dropout, what is remembered is not erased.
    Hurts when: sequences are short, or each step must change the state at once.

    >>> zoneout, new, old = Zoneout(rate=0.25), torch.ones(1, 4), torch.zeros(1, 4)
    >>> zoneout.expected_state(new, old, cell=False).tolist()
    [[0.75, 0.75, 0.75, 0.75]]
    >>> drawn = torch.tensor([[[-32768, 32767, 32767, -32768]]], dtype=torch.int16)
    >>> zoneout.next_state(new, old, False, 0, (drawn, drawn)).tolist()
    [[0.0, 1.0, 1.0, 0.0]]
    """

    references = (
        Reference(
            authors=("D. Krueger", "et al."),
            title="Zoneout: regularizing RNNs by randomly preserving hidden activations",
            venue="ICLR",
            year=2017,
            url="https://arxiv.org/abs/1606.01305",
        ),
    )
    not_vectorizable: ClassVar[str] = "a recurrence is computed time step by time step"
    acts_in_eval: ClassVar[bool] = True
    rate: float = knob(
        default=0.05,
        low=0,
        high=1,
        open_right=True,
        search=(0.0, 0.5),
        neutral=0.0,
        main=True,
        unit="share",
        doc="share of the hidden state that stays for a step",
    )
    cell_rate: float = knob(
        default=0.5,
        low=0,
        high=1,
        open_right=True,
        search=(0.0, 0.5),
        neutral=0.0,
        unit="share",
        doc="share of an LSTM's cell state that stays for a step",
    )
    on: str = selector("RNNBase kernel")

    def draw(self, x: Tensor, h: Tensor, generator: torch.Generator) -> Draw:
        shape = (len(x), *h.shape)  # (time, batch, hidden)
        return random_bits(shape, h.device, generator), random_bits(shape, h.device, generator)

    def transform_input(self, x: Tensor, draw: Draw) -> Tensor:
        return x

    def transform_hidden(self, h: Tensor, draw: Draw) -> Tensor:
        return h

    def next_state(self, new: Tensor, old: Tensor, cell: bool, time: int, draw: Draw) -> Tensor:
        drawn = draw[cell][time]
        if drawn.shape != new.shape:
            raise InputError(
                "Zoneout: cell state and hidden state must be of one size, got an LSTM with proj_size; choose other "
                "layers with on=."
            )
        return torch.where(keep_mask(drawn, self._share(cell), new.dtype) > 0, new, old)

    def expected_state(self, new: Tensor, old: Tensor, cell: bool) -> Tensor:
        return new + self._share(cell) * (old - new)

    def _share(self, cell: bool) -> float:
        share: float = quantize_rate(self.cell_rate if cell else self.rate)
        return share
