"""Two small techniques that pass all checks; tests derive broken ones from them."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Noise, SmoothPenalty, selector
from goodfit.technique import knob

REFERENCES = (Reference(authors=("A. Cee",), title="Cubes", year=2020, url="https://example.org/cubes"),)


class CubicPenalty(SmoothPenalty):
    """Adds strength · Σ|w|³ to the cost."""

    references = REFERENCES
    strength: float = knob(1e-3, low=0, search=(1e-4, 1e-1), log=True, neutral=0.0, unit="loss", doc="weight of Σ|w|³")
    on: str = selector()

    def value(self, w: Tensor) -> Tensor:
        return self.strength * w.abs().pow(3).sum()

    def gradient(self, w: Tensor) -> Tensor:
        return 3 * self.strength * w * w.abs()


class UniformNoise(Noise):
    """Adds uniform noise to the inputs of layers."""

    references = REFERENCES
    width: float = knob(0.1, low=0, search=(0.0, 0.5), neutral=0.0, unit="input", doc="width of the noise")
    on: str = selector()

    def for_layer(self, first: bool) -> Self:
        return self

    def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        return (torch.empty(x.shape, dtype=x.dtype).uniform_(-0.5, 0.5, generator=generator),)

    def perturb(self, x: Tensor, draw: tuple[Tensor, ...]) -> Tensor:
        return x + self.width * draw[0]
