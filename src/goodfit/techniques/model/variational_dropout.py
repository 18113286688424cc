"""Variational dropout: dropout for recurrent layers with one mask per sequence."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.ops.dropout import dropout_factors, random_bits
from goodfit.reference import Reference
from goodfit.stages import Draw, Recurrent, selector
from goodfit.technique import knob


class VariationalDropout(Recurrent):
    """Sets a random fraction of a recurrent layer's inputs and states to zero, with the same mask at every time step.

    Formula: x_t ← x_t · m / (1 − rate) and, where the state enters the recurrent product,
    h_t ← h_t · n / (1 − recurrent_rate),
    with m ~ Bernoulli(1 − rate) and n ~ Bernoulli(1 − recurrent_rate) drawn once per sequence, layer and direction. The
    states that a layer passes on and returns are not masked. Rates are rounded to 1/65536. Training only; evaluation is
    unchanged.

    Shape: sequences (time, batch, features), states (batch, hidden); torch's RNN, GRU and LSTM.

    Helps when: recurrent layers overfit. (A new mask at each step would erase what they remember.)
    Hurts when: layers are narrow, or sequences must be remembered exactly.

    >>> dropout, bits = VariationalDropout(0.5), torch.tensor([[32767, -32768]], dtype=torch.int16)
    >>> dropout.transform_input(torch.ones(3, 1, 2), (bits, bits))[:, 0].tolist()
    [[2.0, 0.0], [2.0, 0.0], [2.0, 0.0]]

    Differs from the paper: one mask for all gates (its “tied” variant); word embeddings are not dropped as a whole.
    """

    references = (
        Reference(
            authors=("Y. Gal", "Z. Ghahramani"),
            title="A theoretically grounded application of dropout in recurrent neural networks",
            venue="NIPS",
            year=2016,
            url="https://arxiv.org/abs/1512.05287",
        ),
    )
    not_vectorizable: ClassVar[str] = "recurrent layers are computed step by step"
    rate: float = knob(
        default=0.25,
        low=0,
        high=1,
        open_right=True,
        search=(0.0, 0.6),
        neutral=0.0,
        main=True,
        unit="fraction",
        doc="fraction of the layer's input features set to zero",
    )
    recurrent_rate: float = knob(
        default=0.25,
        low=0,
        high=1,
        open_right=True,
        search=(0.0, 0.6),
        neutral=0.0,
        unit="fraction",
        doc="fraction of the hidden state set to zero where it enters the recurrent product",
    )
    on: str = selector("RNNBase kernel")

    def draw(self, x: Tensor, h: Tensor, generator: torch.Generator) -> Draw:
        return random_bits(x.shape[1:], x.device, generator), random_bits(h.shape, h.device, generator)

    def transform_input(self, x: Tensor, draw: Draw) -> Tensor:
        return x * dropout_factors(draw[0], self.rate, x.dtype)

    def transform_hidden(self, h: Tensor, draw: Draw) -> Tensor:
        return h * dropout_factors(draw[1], self.recurrent_rate, h.dtype)

    def next_state(self, new: Tensor, old: Tensor, cell: bool, time: int, draw: Draw) -> Tensor:
        return new

    def expected_state(self, new: Tensor, old: Tensor, cell: bool) -> Tensor:
        return new
