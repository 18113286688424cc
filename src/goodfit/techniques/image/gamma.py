"""Gamma: the midtones of images become lighter or darker."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.broadcast import per_sample
from goodfit.ops.sampling import signed_uniform
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.technique import knob


class Gamma(ValueTransform):
    """Makes the midtones of images lighter or darker by a random exponent per sample; black and white do not change.

    Formula: v ← v^((1 + amount)^u), u ~ U(−1, 1), for values v in [0, 1].

    Shape: x (batch, channel, …, height, width). Shape and dtype do not change.

    Helps when: exposures and screens differ; in radiology, where black and white must not change.
    Hurts when: the class depends on the midtones.

    >>> middle = torch.full((2, 1, 1, 1), 0.25), (torch.tensor([1.0, -1.0]),)
    >>> Gamma(1.0).transform(*middle, Inputs("image")).flatten()
    tensor([0.0625, 0.5000])
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
    amount: float = knob(
        default=0.3,
        low=0,
        high=9,
        search=(0.05, 1.0),
        neutral=0.0,
        unit="fraction of the exponent",
        doc="largest relative change of the exponent: it lies between 1 / (1 + amount) and 1 + amount",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 1, generator, x.device)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        exponent = (1 + self.amount + torch.zeros_like(draw[0])) ** draw[0]
        curved = inputs.back(inputs.unit(x).clamp_min(0.0) ** per_sample(exponent, x))
        return torch.where(per_sample(exponent == 1, x), x, curved)
