"""Gaussian dropout: multiply units by Gaussian noise with mean one."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.ops.sampling import normal_like
from goodfit.reference import Reference
from goodfit.stages import Draw, InputNoise, rate_knob, selector


class GaussianDropout(InputNoise):
    """Multiplies each unit by Gaussian noise with mean one and the variance of dropout.

    Formula: x ← x · (1 + √(rate / (1 − rate)) · z), z ~ N(0, 1), drawn independently per sample and unit. Mean and
    variance are those of `Dropout(rate)`, but nothing is set to zero. It is applied to the input of each selected
    layer: to hidden units and, with `input_rate`, to the network's own input. It equals Keras' `GaussianDropout`.
    Training only; evaluation is unchanged.

    Shape: activations (batch, …), any shape.

    Helps when: dropout helps, but its zeros make training unstable.
    Hurts when: layers are narrow or the network underfits; at high rates single factors are large or negative.

    >>> GaussianDropout(0.5).perturb(torch.tensor([2.0, 2.0, 0.0]), (torch.tensor([0.5, -1.0, 3.0]),))
    tensor([3., 0., 0.])
    """

    references = (
        Reference(
            authors=("N. Srivastava", "G. Hinton", "A. Krizhevsky", "I. Sutskever", "R. Salakhutdinov"),
            title="Dropout: a simple way to prevent neural networks from overfitting",
            venue="JMLR",
            volume="15",
            year=2014,
            section="section 10",
            url="https://jmlr.org/papers/v15/srivastava14a.html",
        ),
    )
    rate: float = rate_knob(0.25, 0.6, "rate of the dropout with the same variance, for hidden units")
    input_rate: float = rate_knob(0.0, 0.3, "the same for the network's inputs")
    on: str = selector()

    def draw(self, x: Tensor, generator: torch.Generator) -> Draw:
        return (normal_like(x, generator),)

    def perturb(self, x: Tensor, draw: Draw) -> Tensor:
        stddev: float = (self.rate / (1 - self.rate)) ** 0.5
        return x * (1 + stddev * draw[0])
