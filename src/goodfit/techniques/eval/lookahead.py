"""Lookahead: slow weights that follow the optimizer."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Clock, Periodic, ResettingAverage
from goodfit.technique import knob


class Lookahead(ResettingAverage, Periodic):
    """Runs the optimizer for k steps, then moves the weights back towards slow weights, which are evaluated and kept.

    Formula: every k steps, slow ← slow + step_size · (w − slow) and w ← slow. The slow weights are evaluated and kept;
    at the end of an epoch between two such steps, slow + step_size · (w − slow) is evaluated instead. step_size = 1 is
    the plain optimizer. The optimizer's state (momentum) is unchanged.

    Shape: per weight tensor, the slow weights and the evaluated weights.

    Helps when: the learning rate is high or only roughly tuned. It stabilizes noisy training.
    Hurts when: training is short; with a step_size of ½ the weights cover about half of the distance.

    >>> lookahead, w = Lookahead(k=2, step_size=0.25), [torch.tensor([4.0])]
    >>> state = lookahead.start([torch.tensor([0.0])])
    >>> for step in (1, 2):
    ...     if lookahead.acts(Clock(step, per_epoch=10, total=10)):
    ...         state = lookahead.update(state, w, Clock(step, per_epoch=10, total=10))
    >>> lookahead.weights(state), lookahead.resets(Clock(2, per_epoch=10, total=10))
    ([tensor([1.])], True)

    Differs from the paper: at the end of an epoch between two synchronizations, the weights that a synchronization
    would give are evaluated, not slow weights that are up to k − 1 steps old.
    """

    references = (
        Reference(
            authors=("M. R. Zhang", "J. Lucas", "G. Hinton", "J. Ba"),
            title="Lookahead optimizer: k steps forward, 1 step back",
            venue="NeurIPS",
            year=2019,
            url="https://arxiv.org/abs/1907.08610",
        ),
    )
    k: int = knob(
        default=5, low=1, search=(5, 10), unit="steps", doc="optimizer steps between two updates of the slow weights"
    )
    step_size: float = knob(
        default=0.5,
        low=0,
        high=1,
        open_left=True,
        search=(0.3, 0.8),
        neutral=1.0,
        unit="fraction",
        doc="fraction of the distance that the slow weights move",
    )

    def start(self, weights: Sequence[Tensor]) -> list[Tensor]:
        return [w.detach().clone() for w in (*weights, *weights)]

    def acts(self, clock: Clock) -> bool:
        return self.resets(clock) or clock.ends_epoch

    def update(self, state: list[Tensor], weights: Sequence[Tensor], clock: Clock) -> list[Tensor]:
        slow = state[: len(weights)]
        pairs = zip(slow, weights, strict=True)
        return [*slow, *(torch.lerp(s, w.detach(), self.step_size) for s, w in pairs)]  # exactly w if step_size is 1

    def weights(self, state: list[Tensor]) -> list[Tensor]:
        return state[len(state) // 2 :]

    def resets(self, clock: Clock) -> bool:
        return clock.step % self.k == 0

    def reset_state(self, state: list[Tensor]) -> list[Tensor]:
        evaluated = self.weights(state)
        return [*(e.clone() for e in evaluated), *evaluated]
