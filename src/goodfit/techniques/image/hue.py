"""Hue: the colours of images are rotated on the colour wheel."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.broadcast import per_sample
from goodfit.ops.sampling import signed_uniform
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.technique import knob


class Hue(ValueTransform):
    """Rotates the hue of images by a random angle per sample.

    Formula: in the HSV model, H ← H + amount · u (mod 1), u ~ U(−1, 1), for values in [0, 1]. Greys do not change.

    Shape: x (batch, 3, …, height, width). Shape and dtype do not change.

    Helps when: the colour of the light differs, or objects come in any colour (cars, clothes).
    Hurts when: the class depends on colour (ripe fruit, stained tissue, traffic lights).

    >>> red = torch.tensor([1.0, 0.0, 0.0]).reshape(1, 3, 1, 1)
    >>> Hue(0.5).transform(red, (torch.tensor([2 / 3]),), Inputs("image")).flatten().round(decimals=3)
    tensor([0., 1., 0.])
    """

    references = (
        Reference(
            authors=("A. R. Smith",),
            title="Color gamut transform pairs",
            venue="SIGGRAPH",
            year=1978,
            url="https://doi.org/10.1145/800248.807361",
        ),
    )
    needs_rgb: ClassVar[bool] = True
    amount: float = knob(
        default=0.05,
        low=0,
        high=0.5,
        search=(0.01, 0.3),
        neutral=0.0,
        unit="turns",
        doc="largest rotation in either direction",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 1, generator, x.device)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        value, spread = x.amax(1, keepdim=True), x.amax(1, keepdim=True) - x.amin(1, keepdim=True)
        r, g, b = ((value - channel) / spread.clamp_min(1e-12) for channel in x.split(1, 1))
        sector = torch.where(r == 0, b - g, torch.where(g == 0, 2 + r - b, 4 + g - r))  # six sectors make a turn
        turn = per_sample(6 * self.amount * draw[0], x)
        places = torch.cat([n + sector + turn for n in (5, 3, 1)], 1).remainder(6)  # of red, green and blue
        turned = value - spread * torch.minimum(places, 4 - places).clamp(0.0, 1.0)
        return torch.where(turn == 0, x, turned)
