"""Blur: images are blurred by a random amount."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.sampling import signed_uniform
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.technique import knob


class Blur(ValueTransform):
    """Blurs images with a Gaussian filter of random width.

    Formula: v ← G ∗ v, where G is a Gaussian with a standard deviation of sigma · (1 + u) / 2 pixels, u ~ U(−1, 1) per
    sample. At the border, the filter is renormalized to the pixels inside the image.

    Shape: x (batch, channel, …, height, width). Shape and dtype do not change.

    Helps when: focus and resolution differ between images.
    Hurts when: the class depends on fine texture, or images are very small.

    >>> spot = torch.tensor([0.0, 0.0, 1.0, 0.0, 0.0]).reshape(1, 1, 1, 5)
    >>> Blur(1.0).transform(spot, (torch.tensor([1.0]),), Inputs("image")).flatten().round(decimals=2)
    tensor([0.0800, 0.2600, 0.4000, 0.2600, 0.0800])
    """

    references = (
        Reference(
            authors=("C. Shorten", "T. M. Khoshgoftaar"),
            title="A survey on image data augmentation for deep learning",
            venue="Journal of Big Data",
            volume="6",
            year=2019,
            url="https://doi.org/10.1186/s40537-019-0197-0",
        ),
    )
    aliases: ClassVar[tuple[str, ...]] = ("gaussian_blur",)
    sigma: float = knob(
        default=1.0,
        low=0,
        high=float("inf"),
        open_right=True,
        search=(0.2, 2.0),
        neutral=0.0,
        unit="pixels",
        doc="largest standard deviation",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 1, generator, x.device)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        width = self.sigma * (draw[0] + 1) / 2
        flat = x.flatten(1, -3)  # (batch, channel …, height, width)
        down, across = (_gaussian(n, width).unsqueeze(1) for n in x.shape[-2:])
        return (down @ flat @ across.mT).reshape(x.shape)


def _gaussian(size: int, width: Tensor) -> Tensor:
    """The filter as a matrix per sample (batch, size, size). Rows sum to 1."""
    at = torch.arange(size, dtype=width.dtype, device=width.device)
    weights = (-((at - at[:, None]) ** 2) / (2 * width[:, None, None] ** 2 + 1e-12)).exp()
    return weights / weights.sum(-1, keepdim=True)
