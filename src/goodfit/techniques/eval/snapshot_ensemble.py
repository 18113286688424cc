"""Snapshot ensemble: average the predictions of snapshots from one training run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Clock, Ensemble, Periodic, ScalesLearningRate
from goodfit.technique import knob


class SnapshotEnsemble(Ensemble, ScalesLearningRate, Periodic):
    """Restarts the learning rate several times and averages the predictions of the weights at each cycle's end.

    Formula: training is split into `cycles` equal parts. Within each part the learning rate is multiplied by
    ½ (1 + cos πp), where p is the completed fraction of the part. The weights at the end of each part form one member
    of the ensemble; before the first part ends, the weights at the end of the last epoch are used.

    Shape: per weight tensor, the snapshots so far (snapshot, …).

    Helps when: there is time for one training run only, and several networks can be stored and evaluated.
    Hurts when: a part is too short to converge. More than a few snapshots are similar to each other.

    >>> ensemble, state = SnapshotEnsemble(cycles=2), [torch.zeros(1, 1)]
    >>> for step in (2, 4):  # the ends of the two cycles
    ...     state = ensemble.update(state, [torch.tensor([float(step)])], Clock(step, per_epoch=1, total=4))
    >>> ensemble.members(state)
    [[tensor([2.])], [tensor([4.])]]

    Differs from the paper: if the number of steps is not divisible by `cycles`, the lengths of the parts differ by at
    most one step, instead of the last part being shorter; all snapshots are averaged, not only the last few.
    """

    references = (
        Reference(
            authors=("G. Huang", "et al."),
            title="Snapshot ensembles: train 1, get M for free",
            venue="ICLR",
            year=2017,
            url="https://arxiv.org/abs/1704.00109",
        ),
    )
    not_vectorizable: ClassVar[str] = "the number of its networks grows during training"
    cycles: int = knob(
        default=5,
        low=1,
        search=(2, 10),
        main=True,
        unit="cycles",
        doc="number of learning-rate cycles, and of networks in the ensemble",
    )

    def start(self, weights: Sequence[Tensor]) -> list[Tensor]:
        return [torch.stack([w.detach()]) for w in weights]

    def acts(self, clock: Clock) -> bool:
        before, after = self._cycles(clock.step - 1, clock), self._cycles(clock.step, clock)
        return before != after or (not before and clock.ends_epoch)

    def update(self, state: list[Tensor], weights: Sequence[Tensor], clock: Clock) -> list[Tensor]:
        newest = self.start(weights)
        if not self._cycles(clock.step - 1, clock):
            return newest  # replaces the weights of the last epoch
        return [torch.cat(pair) for pair in zip(state, newest, strict=True)]

    def members(self, state: list[Tensor]) -> list[list[Tensor]]:
        return [list(member) for member in zip(*(w.unbind() for w in state), strict=True)]

    def lr_factor(self, clock: Clock) -> float:
        complete = self._cycles(clock.step - 1, clock)
        progress = (clock.step - 1) * self.cycles / clock.total - complete
        return 0.5 * (1 + math.cos(math.pi * progress))

    def _cycles(self, steps: int, clock: Clock) -> int:
        """The number of complete cycles after this number of steps."""
        return steps * self.cycles // clock.total
