"""Variational dropout: one mask for a whole sequence."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.stages import Draw, Recurrent, selector
from goodfit.technique import knob


class VariationalDropout(Recurrent):
    """Sets a random share of a recurrent layer's inputs and states to zero, the same ones at every time step.

    Formula: x_t ← x_t · m / (1 − rate) and, where the state enters the recurrent product, h_t ← h_t · n / (1 −
    recurrent_rate), with m ~ Bernoulli(1 − rate), n ~ Bernoulli(1 − recurrent_rate) drawn once per sequence, layer and
    direction; the identity in evaluation. The states that a layer carries on and puts out are whole.

    Shape: sequences (time, batch, features), states (batch, hidden); RNN, GRU and LSTM, of torch.

    Helps when: recurrent layers overfit; noise that changes from step to step would wipe out what they remember.
    Hurts when: layers are narrow or sequences must be remembered to the letter.

    >>> dropout, draw = VariationalDropout(0.5), (torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]))
    >>> dropout.inputs(torch.ones(3, 1, 2), draw)[:, 0].tolist()
    [[2.0, 0.0], [2.0, 0.0], [2.0, 0.0]]

    Reference: Y. Gal and Z. Ghahramani, A theoretically grounded application of dropout in recurrent neural networks,
    NIPS, 2016, https://arxiv.org/abs/1512.05287
    Differs from the paper: one mask for all gates (its “tied” form); word embeddings are not dropped whole.
    """

    rate: float = knob(
        default=0.25,
        low=0,
        high=1,
        open_right=True,
        search=(0.0, 0.6),
        neutral=0.0,
        main=True,
        unit="share",
        doc="share of the layer's input features set to zero",
    )
    recurrent_rate: float = knob(
        default=0.25,
        low=0,
        high=1,
        open_right=True,
        search=(0.0, 0.6),
        neutral=0.0,
        unit="share",
        doc="share of the hidden state set to zero where it enters the recurrent product",
    )
    on: str = selector("RNNBase kernel")

    def draw(self, x: Tensor, h: Tensor, generator: torch.Generator) -> Draw:
        inputs = torch.empty_like(x[0]).bernoulli_(1 - self.rate, generator=generator)
        return inputs, torch.empty_like(h).bernoulli_(1 - self.recurrent_rate, generator=generator)

    def inputs(self, x: Tensor, draw: Draw) -> Tensor:
        return x * (draw[0] / (1 - self.rate))

    def fed(self, h: Tensor, draw: Draw) -> Tensor:
        return h * (draw[1] / (1 - self.recurrent_rate))

    def kept(self, new: Tensor, old: Tensor, cell: bool, time: int, draw: Draw) -> Tensor:
        return new

    def expected(self, new: Tensor, old: Tensor, cell: bool) -> Tensor:
        return new
