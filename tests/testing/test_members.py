"""Checks of members of a population refuse techniques that break a rule."""

from __future__ import annotations

from typing import Self

import pytest
import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Noise, SmoothPenalty, selector
from goodfit.technique import Technique, knob
from goodfit.testing import check_technique

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
        return (torch.empty_like(x).uniform_(-0.5, 0.5, generator=generator),)

    def perturb(self, x: Tensor, draw: tuple[Tensor, ...]) -> Tensor:
        return x + self.width * draw[0]


class GlobalNoise(UniformNoise):
    """Draws from torch's global generator."""

    def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        return (torch.rand_like(x) - 0.5,)


class ValueDependentDraws(UniformNoise):
    """Draws as many numbers as there are positive inputs."""

    def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        noise = torch.zeros_like(x)
        noise[x > 0] = torch.rand(int((x > 0).sum()), generator=generator, dtype=x.dtype)
        return (noise,)


class Branching(CubicPenalty):
    """Branches on a knob, which is a tensor in a population."""

    def gradient(self, w: Tensor) -> Tensor:
        return super().gradient(w) if self.strength > 0 else torch.zeros_like(w)


BROKEN: list[tuple[type[Technique], str, str]] = [
    (GlobalNoise, "draws depend on no values", "draw must use only `generator` and the shapes"),
    (ValueDependentDraws, "draws depend on no values", "draw must use only `generator` and the shapes"),
    (Branching, "members at once are each member alone", "data-dependent control flow"),
]


@pytest.mark.parametrize(("technique", "check", "message"), BROKEN, ids=[t.__name__ for t, *_ in BROKEN])
def test_broken_techniques_are_refused(technique: type[Technique], check: str, message: str) -> None:
    checks = dict(check_technique(technique, generate_only=True))
    with pytest.raises(AssertionError, match=f"^{technique.__name__}: {check}: .*{message}"):
        checks[check]()
