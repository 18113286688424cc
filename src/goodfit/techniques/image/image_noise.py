"""Image noise: Gaussian noise is added to images."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.sampling import normal_like
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.technique import knob


class ImageNoise(ValueTransform):
    """Adds Gaussian noise to every value of an image.

    Formula: v ← v + stddev · z, z ~ N(0, 1) per value, for values v in [0, 1]. The result is clipped to [0, 1].

    Shape: x (batch, channel, …, height, width). Shape and dtype do not change.

    Helps when: cameras are noisy, or the light is low.
    Hurts when: the noise hides small objects.

    >>> grain = torch.tensor([1.0, -2.0]).reshape(1, 1, 1, 2)
    >>> ImageNoise(0.1).transform(torch.full((1, 1, 1, 2), 0.5), (grain,), Inputs("image"))
    tensor([[[[0.6000, 0.3000]]]])
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
    aliases: ClassVar[tuple[str, ...]] = ("pixel_noise",)
    stddev: float = knob(
        default=0.05,
        low=0,
        high=float("inf"),
        open_right=True,
        search=(0.01, 0.2),
        neutral=0.0,
        unit="fraction of the range from black to white",
        doc="standard deviation of the noise",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return (normal_like(x, generator),)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        noisy: Tensor = x + self.stddev * (inputs.high - inputs.low) * draw[0]
        return noisy
