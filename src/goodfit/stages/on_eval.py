"""OnEval: which weights are evaluated and kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from torch import Tensor

from goodfit.stages.common import Clock
from goodfit.technique import Technique


class OnEval(Technique, ABC):
    """Keeps other weights for evaluation than the ones being trained."""

    @abstractmethod
    def start(self, weights: Sequence[Tensor]) -> list[Tensor]:
        """The state before the first step: tensors."""

    def acts(self, clock: Clock) -> bool:
        """Whether its state changes after this step; `update` is called only then."""
        return True

    @abstractmethod
    def update(self, state: list[Tensor], weights: Sequence[Tensor], clock: Clock) -> list[Tensor]:
        """The state after an optimizer step; the tensors of `state` may be reused.

        The clock's numbers may be tensors: they are to compute with, not to branch on (that is for `acts`).
        """


class Averaged(OnEval, ABC):
    """Evaluates one other set of weights."""

    @abstractmethod
    def weights(self, state: list[Tensor]) -> list[Tensor]:
        """The weights to evaluate and keep."""


class Pulling(Averaged, ABC):
    """Evaluates one other set of weights, and puts the trained ones back to it now and then."""

    @abstractmethod
    def pulls(self, clock: Clock) -> bool:
        """Whether training goes on from the evaluated weights after this step."""

    @abstractmethod
    def pulled(self, state: list[Tensor]) -> list[Tensor]:
        """The state after training was put back to the evaluated weights."""


class Ensemble(OnEval, ABC):
    """Evaluates several sets of weights and averages their predictions."""

    @abstractmethod
    def members(self, state: list[Tensor]) -> list[list[Tensor]]:
        """The sets of weights, at least one."""
