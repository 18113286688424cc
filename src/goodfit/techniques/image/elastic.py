"""Elastic distortion: images bent as if drawn on rubber."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import DisplacementWarp, Draw
from goodfit.technique import knob


class Elastic(DisplacementWarp):
    """Bends images as if they were drawn on rubber: neighbouring pixels move alike, distant ones independently.

    Formula: each pixel is taken from (x + alpha · (G ∗ U), y + alpha · (G ∗ V)); U, V ~ U(−1, 1) are drawn anew per
    pixel and sample, G is a Gaussian of `sigma` pixels. The mean way is about alpha / (5 sigma) pixels. It acts before
    the matrices of the other techniques that move pixels; together they are one resampling.

    Shape: x (batch, channel, …, height, width); it keeps its shape and dtype.

    Helps when: handwriting and tissue: what bends keeps its meaning. The strongest augmentation for digits.
    Hurts when: straight lines matter; a small sigma with a large alpha tears the image apart.

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
        unit="pixels before they are smoothed",
        doc="how far pixels move",
    )
    sigma: float = knob(
        default=4.0,
        low=0.5,
        high=float("inf"),
        search=(3.0, 8.0),
        unit="pixels",
        doc="over which distance pixels move alike",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        noise = torch.empty(len(x), 2, *x.shape[-2:], dtype=torch.float32, device=x.device)
        return (noise.uniform_(-1.0, 1.0, generator=generator),)

    def displacement(self, draw: Draw, size: tuple[int, int]) -> Tensor:
        down, across = (_gaussian(n, self.sigma, draw[0]) for n in size)
        return self.alpha * (down @ draw[0] @ across)


def _gaussian(size: int, sigma: float | Tensor, like: Tensor) -> Tensor:
    """The Gaussian as a symmetric matrix (size, size); beyond the border nothing moves."""
    at = torch.arange(size, dtype=like.dtype, device=like.device)
    return (-((at - at[:, None]) ** 2) / (2 * sigma**2)).exp() / (math.sqrt(2 * math.pi) * sigma)
