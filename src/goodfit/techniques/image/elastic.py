"""Elastic distortion: images are bent by a smooth random field."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import DisplacementWarp, Draw
from goodfit.technique import knob


class Elastic(DisplacementWarp):
    """Distorts images by a smooth random displacement field: nearby pixels move together, distant ones independently.

    Formula: each pixel is taken from (x + alpha · (G ∗ U), y + alpha · (G ∗ V)), where U, V ~ U(−1, 1) are drawn per
    pixel and sample and G is a Gaussian of `sigma` pixels. The mean displacement is about alpha / (5 sigma) pixels. The
    displacement is applied before the matrices of the other techniques that move pixels. All techniques of a recipe
    that move pixels are combined into one resampling.

    Shape: x (batch, channel, …, height, width). Shape and dtype do not change.

    Helps when: bent objects keep their meaning (handwriting, tissue). It is the strongest augmentation for digits.
    Hurts when: straight lines matter. A small sigma with a large alpha tears the image apart.

    >>> Elastic(34.0, 4.0).displacement((torch.zeros(1, 2, 28, 28),), (28, 28)).abs().max()
    tensor(0.)
    """

    references = (
        Reference(
            authors=("P. Y. Simard", "D. Steinkraus", "J. C. Platt"),
            title="Best practices for convolutional neural networks applied to visual document analysis",
            venue="ICDAR",
            year=2003,
            url="https://doi.org/10.1109/ICDAR.2003.1227801",
        ),
    )
    alpha: float = knob(
        default=34.0,
        low=0,
        high=float("inf"),
        search=(5.0, 50.0),
        neutral=0.0,
        unit="pixels before smoothing",
        doc="scale of the displacement",
    )
    sigma: float = knob(
        default=4.0,
        low=0.5,
        high=float("inf"),
        search=(3.0, 8.0),
        unit="pixels",
        doc="standard deviation of the smoothing filter",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        noise = torch.empty(len(x), 2, *x.shape[-2:], dtype=torch.float32, device=x.device)
        return (noise.uniform_(-1.0, 1.0, generator=generator),)

    def displacement(self, draw: Draw, size: tuple[int, int]) -> Tensor:
        down, across = (_gaussian(n, self.sigma, draw[0]) for n in size)
        return self.alpha * (down @ draw[0] @ across)


def _gaussian(size: int, sigma: float | Tensor, like: Tensor) -> Tensor:
    """The filter as a symmetric matrix (size, size), for displacements that are 0 beyond the border."""
    at = torch.arange(size, dtype=like.dtype, device=like.device)
    return (-((at - at[:, None]) ** 2) / (2 * sigma**2)).exp() / (math.sqrt(2 * math.pi) * sigma)
