"""Snapshot ensembles."""

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
    """Lets the learning rate fall and start again several times, and averages the predictions of where it fell to.

    Formula: in each of `cycles` equal parts of training the learning rate is multiplied by ½ (1 + cos πp), p the share
    of the part that lies behind. The weights at the end of each part are one network of the ensemble; until the first
    one there is, the weights at the end of the last epoch stand in.

    Shape: per weight, the snapshots so far (snapshot, …).

    Helps when: there is time for one training run only, and several networks may be kept and run.
    Hurts when: a part is too short to converge; more than a few snapshots are much alike.

    >>> ensemble, state = SnapshotEnsemble(cycles=2), [torch.zeros(1, 1)]
    >>> for step in (2, 4):  # where it acts
    ...     state = ensemble.update(state, [torch.tensor([float(step)])], Clock(step, per_epoch=1, total=4))
    >>> ensemble.members(state)
    [[tensor([2.])], [tensor([4.])]]

    Differs from the paper: where the steps do not divide evenly, the parts differ by a step, not the last from all
    others; all snapshots are averaged, not the last few.
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
    not_vectorizable: ClassVar[str] = "it keeps ever more networks"
    cycles: int = knob(
        default=5, low=1, search=(2, 10), main=True, unit="parts of training", doc="how many networks it ends with"
    )

    def start(self, weights: Sequence[Tensor]) -> list[Tensor]:
        return [torch.stack([w.detach()]) for w in weights]

    def acts(self, clock: Clock) -> bool:
        taken, now = self._cycles(clock.step - 1, clock), self._cycles(clock.step, clock)
        return taken != now or (not taken and clock.ends_epoch)

    def update(self, state: list[Tensor], weights: Sequence[Tensor], clock: Clock) -> list[Tensor]:
        newest = self.start(weights)
        if not self._cycles(clock.step - 1, clock):
            return newest  # in place of what stood in
        return [torch.cat(pair) for pair in zip(state, newest, strict=True)]

    def members(self, state: list[Tensor]) -> list[list[Tensor]]:
        return [list(member) for member in zip(*(w.unbind() for w in state), strict=True)]

    def lr_factor(self, clock: Clock) -> float:
        begun = self._cycles(clock.step - 1, clock)
        share = (clock.step - 1) * self.cycles / clock.total - begun
        return 0.5 * (1 + math.cos(math.pi * share))

    def _cycles(self, steps: int, clock: Clock) -> int:
        """How many cycles are complete after some steps."""
        return steps * self.cycles // clock.total
