"""Techniques to document, and rendering of rich objects as text."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import OnSample, Penalty, selector
from goodfit.technique import Technique, knob


class Sample(Penalty):
    """Adds a * b to the cost, where a < b.

    A paragraph without a label,
    over two lines.

    Formula: cost = loss + a * b · Σ|w|
    over two lines, with `a * b` as code.
    Helps when: there is much to be seen.
    Differs from the paper: in everything.

    >>> Sample().strength
    1e-05
    """

    references = (
        Reference(authors=("A. Author",), title="A title", year=2020, url="https://example.org/a_b*c"),
        Reference(authors=("B. Author",), title="Another", year=2021, topic="second", url="https://example.org/d"),
    )
    strength: float = knob(1e-5, low=0, search=(1e-6, 1e-2), log=True, neutral=0.0, unit="loss per |w|", doc="a * |w|")
    kind: str = knob("near", choices=("near", "far"), search=("near", "far"), doc="which")
    often: bool = knob(True, doc="whether")
    on: str = selector()

    def value(self, w: Tensor) -> Tensor:
        return self.strength * w.abs().sum()

    @classmethod
    def twice(cls, strength: float, on: str = "kernel") -> Technique:
        """Of twice the strength.

        And more that is not shown.
        """
        return cls(2 * strength, on=on)


class Bare(OnSample):
    """Does nothing."""

    def rows(self, y: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        return rows


def render(renderable: Any, width: int = 200) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(renderable)
    return out.getvalue()


@pytest.fixture
def sample() -> type[Sample]:
    """A technique whose documentation has every section and special characters."""
    return Sample


@pytest.fixture
def bare() -> type[Bare]:
    """A technique whose documentation is one sentence."""
    return Bare


@pytest.fixture
def drawn() -> Callable[..., str]:
    """Render an object in a terminal of 200 columns, or `width`."""
    return render
