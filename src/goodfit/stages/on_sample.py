"""The OnSample stage: which training rows an epoch draws."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.technique import Technique


class OnSample(Technique, ABC):
    """Base class of techniques that choose which training rows an epoch draws.

    Implement `rows`. The trainer calls it once before each epoch and shuffles the result.
    """

    @property
    def augment(self) -> str:
        """Which drawn rows the recipe's augmentations change: `all`, or `repeats` of a row in the same epoch.

        A technique may declare a knob of this name.
        """
        return "all"

    @abstractmethod
    def rows(self, y: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Choose the rows of one epoch.

        Args:
            y: the targets of all training rows (n, …).
            rows: the row numbers (n′,) chosen so far, by earlier techniques of the recipe.
            generator: the only permitted source of random numbers.

        Returns:
            Row numbers (n″,) in any order; a number may occur several times.
        """


class Synthesis(OnSample, ABC):
    """Base class of techniques that add synthetic rows to the training rows, once, before training.

    Implement `check` and `synthesize`. Every epoch then draws the synthetic rows like all others.
    """

    not_vectorizable: ClassVar[str] = "its training rows differ from those of other runs"

    @abstractmethod
    def check(self, x: Tensor, y: Tensor, inputs: Inputs) -> None:
        """Check that rows can be synthesized from these training rows; arguments as in `synthesize`.

        Raises:
            InputError: they cannot.
        """

    @abstractmethod
    def synthesize(self, x: Tensor, y: Tensor, inputs: Inputs, seed: int) -> tuple[Tensor, Tensor]:
        """Make synthetic rows. The same seed must give the same rows.

        Args:
            x: the inputs of all training rows (n, …).
            y: their targets (n, …).
            inputs: what the inputs are: their data kind, value range and categorical columns.
            seed: of this run.

        Returns:
            Inputs (m, …) and targets (m, …) of the synthetic rows only, with the dtypes of x and y.
        """

    def rows(self, y: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        """The rows chosen so far: it chooses none itself, because its synthetic rows are drawn like all others."""
        return rows
