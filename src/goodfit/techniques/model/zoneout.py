"""Zoneout: hidden units randomly keep their previous value."""

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
    """Makes a random fraction of a recurrent layer's units keep their state from the previous time step.

    Formula: s_t ← m · s_{t−1} + (1 − m) · s_t, with m ~ Bernoulli(rate) for the hidden state and Bernoulli(cell_rate)
    for the cell state of an LSTM, drawn independently per time step, sample and unit. The new hidden state is computed
    from the new cell state, before zoneout is applied to the cell state. Evaluation uses the expectation: rate instead
    of m. Rates are rounded to 1/65536.

    Shape: states (batch, hidden); torch's RNN, GRU and LSTM. In training, an LSTM with proj_size is an error.

    Helps when: recurrent layers overfit on long sequences; unlike dropout, it does not erase what they remember.
    Hurts when: sequences are short, or the state must change at every step.

    >>> zoneout, new, old = Zoneout(rate=0.25), torch.ones(1, 4), torch.zeros(1, 4)
    >>> zoneout.expected_state(new, old, cell=False).tolist()
    [[0.75, 0.75, 0.75, 0.75]]
    >>> bits = torch.tensor([[[-32768, 32767, 32767, -32768]]], dtype=torch.int16)
    >>> zoneout.next_state(new, old, False, 0, (bits, bits)).tolist()
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
    not_vectorizable: ClassVar[str] = "recurrent layers are computed step by step"
    acts_in_eval: ClassVar[bool] = True
    rate: float = knob(
        default=0.05,
        low=0,
        high=1,
        open_right=True,
        search=(0.0, 0.5),
        neutral=0.0,
        main=True,
        unit="fraction",
        doc="fraction of the hidden state that is kept at each step",
    )
    cell_rate: float = knob(
        default=0.5,
        low=0,
        high=1,
        open_right=True,
        search=(0.0, 0.5),
        neutral=0.0,
        unit="fraction",
        doc="fraction of an LSTM's cell state that is kept at each step",
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
        bits = draw[cell][time]
        if bits.shape != new.shape:
            raise InputError(
                "Zoneout: hidden state and cell state must have the same size, got an LSTM with proj_size: states of "
                f"shape {tuple(bits.shape)} and {tuple(new.shape)}; select other layers with on=."
            )
        return torch.where(keep_mask(bits, self._rate(cell), new.dtype) > 0, new, old)

    def expected_state(self, new: Tensor, old: Tensor, cell: bool) -> Tensor:
        return new + self._rate(cell) * (old - new)

    def _rate(self, cell: bool) -> float:
        rate: float = quantize_rate(self.cell_rate if cell else self.rate)
        return rate
