"""Checks in training refuse techniques that break a rule."""

from __future__ import annotations

import random
from typing import ClassVar

import pytest
import torch
from torch import Tensor

from goodfit.stages import OnSample
from goodfit.technique import Technique, knob
from goodfit.testing import check_technique
from goodfit.testing.examples import CubicPenalty, UniformNoise
from goodfit.testing.training import check_each_knob_changes_the_trained_network


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
