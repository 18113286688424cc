"""Checks of members of a population refuse techniques that break a rule."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from goodfit.technique import Technique
from goodfit.testing import check_technique
from goodfit.testing.examples import CubicPenalty, UniformNoise


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
    (Branching, "stacked equals single", "data-dependent control flow"),
]


@pytest.mark.parametrize(("technique", "check", "message"), BROKEN, ids=[t.__name__ for t, *_ in BROKEN])
def test_broken_techniques_are_refused(technique: type[Technique], check: str, message: str) -> None:
    checks = dict(check_technique(technique, generate_only=True))
    with pytest.raises(AssertionError, match=f"^{technique.__name__}: {check}: .*{message}"):
        checks[check]()
