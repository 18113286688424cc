"""Gaussian noise on activations."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.ops.sampling import normal_like
from goodfit.reference import Reference
from goodfit.stages import Draw, InputNoise, selector
from goodfit.technique import knob


class GaussianNoise(InputNoise):
    """Adds zero-mean Gaussian noise to the network's input and to hidden activations.

    Formula: x ← x + stddev · z, z ~ N(0, 1), drawn independently per sample and unit. It is applied to the input of
    each selected layer: `stddev` for hidden units, `input_stddev` for the network's own input. Training only;
    evaluation is unchanged.

    Shape: activations (batch, …), any shape.

    Helps when: inputs are noisy measurements, or the training set is small.
    Hurts when: the noise is as large as the differences between classes.

    >>> g = torch.Generator().manual_seed(0)
    >>> bool(GaussianNoise(2.0).draw(torch.zeros(10_000), g)[0].std().sub(1).abs() < 0.03)
    True
    """

    references = (
        Reference(
            authors=("C. M. Bishop",),
            title="Training with noise is equivalent to Tikhonov regularization",
            venue="Neural Computation",
            volume="7",
            number="1",
            year=1995,
            url="https://doi.org/10.1162/neco.1995.7.1.108",
        ),
    )
    stddev: float = knob(
        default=0.1,
        low=0,
        high=float("inf"),
        open_right=True,
        search=(0.01, 1.0),
        log=True,
        neutral=0.0,
        unit="units of the activation",
        doc="standard deviation of the noise on hidden activations",
    )
    input_stddev: float = knob(
        default=0.1,
        low=0,
        high=float("inf"),
        open_right=True,
        search=(0.01, 1.0),
        log=True,
        neutral=0.0,
        unit="units of the input",
        doc="standard deviation of the noise on the network's input",
    )
    on: str = selector()

    def draw(self, x: Tensor, generator: torch.Generator) -> Draw:
        return (normal_like(x, generator),)

    def perturb(self, x: Tensor, draw: Draw) -> Tensor:
        return x + self.stddev * draw[0]
