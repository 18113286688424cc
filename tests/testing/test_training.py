"""Checks in training refuse techniques that break a rule."""

from __future__ import annotations

import random
from typing import ClassVar, Self

import pytest
import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Noise, OnSample, SmoothPenalty, selector
from goodfit.technique import Technique, knob
from goodfit.testing import check_technique
from goodfit.testing.training import check_each_knob_changes_the_trained_network

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


class PythonNoise(UniformNoise):
    """Draws from Python's global generator."""

    def draw(self, x: Tensor, generator: torch.Generator) -> tuple[Tensor, ...]:
        return (torch.full_like(x, random.random()),)


class Unneutral(CubicPenalty):
    """Has an effect at its neutral value."""

    def gradient(self, w: Tensor) -> Tensor:
        return 3 * (self.strength + 0.1) * w * w.abs()


class Idle(CubicPenalty):
    """Ignores its strength."""

    def gradient(self, w: Tensor) -> Tensor:
        return 0.0 * self.strength * w


class Unsearched(CubicPenalty):
    """Has a knob of which no other value can be tried."""

    extra: float = knob(0.5, low=0, high=1, doc="no effect")


class SinglePrecision(UniformNoise):
    """Casts to single precision."""

    def perturb(self, x: Tensor, draw: tuple[Tensor, ...]) -> Tensor:
        return (x + self.width * draw[0]).float()


class Relabelling(OnSample):
    """Writes into the targets."""

    def rows(self, y: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        y[0] = 1 - y[0].clamp(max=1)
        return rows


class Stateful(UniformNoise):
    """Counts its calls."""

    calls: ClassVar[list[int]] = []

    def perturb(self, x: Tensor, draw: tuple[Tensor, ...]) -> Tensor:
        self.calls.append(1)
        return x + self.width * len(self.calls) * draw[0]


BROKEN: list[tuple[type[Technique], str, str]] = [
    (PythonNoise, "global generators do not matter", "must not use the global random generator of Python"),
    (
        Unneutral,
        "neutral trains as if absent",
        r"training with strength=0\.0 must be bit-identical to training without",
    ),
    (Idle, "each knob changes the trained network", "knob strength has no effect"),
    (Unsearched, "each knob changes the trained network", "knob extra needs a search range"),
    (SinglePrecision, "dtype is kept", "RuntimeError: mat1 and mat2 must have the same dtype"),
    (Relabelling, "no part of the data changes", "must not write into the data, but it changes the parts .*train"),
    (Stateful, "same seed same run", "two runs with the same seed must be equal: weights differ in "),
]


@pytest.mark.parametrize(("technique", "check", "message"), BROKEN, ids=[t.__name__ for t, *_ in BROKEN])
def test_broken_techniques_are_refused(technique: type[Technique], check: str, message: str) -> None:
    checks = dict(check_technique(technique, generate_only=True))
    with pytest.raises(AssertionError, match=f"^{technique.__name__}: {check}: .*{message}"):
        checks[check]()


def test_each_knob_is_tried() -> None:
    check_each_knob_changes_the_trained_network(CubicPenalty)
