"""The OnEval stage: which weights are evaluated and kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from goodfit.stages.common import Clock
from goodfit.technique import Technique


class OnEval(Technique, ABC):
    """Base class of techniques that evaluate and keep other weights than those being trained, such as EMA and SWA.

    Derive from `AveragedWeights`, `ResettingAverage` or `Ensemble`. A recipe may have one of them. The state is a list
    of tensors, which the trainer stores in checkpoints. Mix in `Periodic` to update it in some steps only.
    """

    @abstractmethod
    def start(self, weights: Sequence[Tensor]) -> list[Tensor]:
        """The state before the first step. It must hold copies of the weights, never the weights themselves."""

    @abstractmethod
    def update(self, state: list[Tensor], weights: Sequence[Tensor], clock: Clock) -> list[Tensor]:
        """The state after an optimizer step.

        Args:
            state: the state before the step. Its tensors may be overwritten.
            weights: the trained weights after the step. They must not be overwritten.
            clock: the position in training. Its numbers may be tensors: compute with them, but do not branch on them.
        """


class AveragedWeights(OnEval, ABC):
    """Base class of techniques that evaluate one set of averaged weights."""

    @abstractmethod
    def weights(self, state: list[Tensor]) -> list[Tensor]:
        """The weights to evaluate and keep, one tensor per trained weight."""


class ResettingAverage(AveragedWeights, ABC):
    """Base class of averages to which the trained weights are reset from time to time, such as Lookahead."""

    @abstractmethod
    def resets(self, clock: Clock) -> bool:
        """Whether the trained weights are set to the averaged ones after this step."""

    @abstractmethod
    def reset_state(self, state: list[Tensor]) -> list[Tensor]:
        """The state after the trained weights were reset."""


class Ensemble(OnEval, ABC):
    """Base class of techniques that evaluate several sets of weights and average their predictions."""

    @abstractmethod
    def members(self, state: list[Tensor]) -> list[list[Tensor]]:
        """The sets of weights, at least one; each has one tensor per trained weight."""
