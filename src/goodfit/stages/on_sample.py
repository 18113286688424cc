"""OnSample: which training rows an epoch draws, and which are made before the first one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.technique import Technique


class OnSample(Technique, ABC):
    """Chooses which training rows an epoch draws."""

    @abstractmethod
    def rows(self, y: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Row numbers of one epoch (n′,), from the targets y (n, …) and the rows (n,) drawn so far."""


class Synthesis(OnSample, ABC):
    """Makes rows from the training rows, once, before training begins; an epoch draws them like the others."""

    alone: ClassVar[str] = "its rows are its own"

    @abstractmethod
    def made(self, x: Tensor, y: Tensor, inputs: Inputs, seed: int) -> tuple[Tensor, Tensor]:
        """The new rows and their targets, like x and y; of a seed always the same."""

    def rows(self, y: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Those drawn so far: it chooses none."""
        return rows
