"""Dropout: set units to zero at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import Tensor

from goodfit.ops.dropout import dropout_factors
from goodfit.reference import Reference
from goodfit.stages import BitNoise, Draw, InputNoise, rate_knob, selector


class Dropout(BitNoise, InputNoise):
    """Sets a random fraction of the units to zero and rescales the rest, so that the mean is preserved.

    Formula: x ← x · m / (1 − rate), m ~ Bernoulli(1 − rate), drawn independently per sample and unit (inverted
    dropout). It is applied to the input of each selected layer: to hidden units (after their activation function) and,
    with `input_rate`, to the network's own input. Nothing is dropped after the last layer. Rates are rounded to
    1/65536. Training only; evaluation is unchanged.

    Shape: activations (batch, …), any shape.

    Helps when: wide layers overfit.
    Hurts when: layers are narrow, the network underfits, or a batch norm follows (the variance differs between training
    and evaluation).

    >>> import torch
    >>> draw = Dropout(0.5).draw(torch.ones(2, 3), torch.Generator().manual_seed(0))
    >>> sorted(set(Dropout(0.5).perturb(torch.ones(2, 3), draw).flatten().tolist()))
    [0.0, 2.0]
    """

    references = (
        Reference(
            authors=("N. Srivastava", "G. Hinton", "A. Krizhevsky", "I. Sutskever", "R. Salakhutdinov"),
            title="Dropout: a simple way to prevent neural networks from overfitting",
            venue="JMLR",
            volume="15",
            year=2014,
            url="https://jmlr.org/papers/v15/srivastava14a.html",
        ),
    )
    rate: float = rate_knob(0.25, 0.6, "fraction of hidden units set to zero")
    input_rate: float = rate_knob(0.0, 0.3, "fraction of the network's inputs set to zero")
    on: str = selector()

    def bits_shape(self, x: Tensor) -> Sequence[int]:
        return x.shape

    def perturb(self, x: Tensor, draw: Draw) -> Tensor:
        return x * dropout_factors(draw[0], self.rate, x.dtype)

    @classmethod
    def keep(cls, probability: float, input_probability: float = 1.0, on: str = "kernel") -> Self:
        """From keep probabilities: the fractions of units that are kept."""
        return cls(1 - probability, 1 - input_probability, on=on)
