"""EMA: exponential moving average of the weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch  # noqa: F401  (for the example)
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import AveragedWeights, Clock
from goodfit.technique import knob


class EMA(AveragedWeights):
    """Evaluates and keeps an exponential moving average of the weights instead of the latest weights.

    Formula: after each optimizer step, average ← d · average + (1 − d) · w, with d = ½^(1 / (half_life · steps per
    epoch)). With gradient accumulation, optimizer steps are counted, not batches. Running statistics of batch norms are
    recomputed for the averaged weights before evaluation.

    Shape: one average per weight tensor.

    Helps when: the learning rate stays high until the end. It smooths the validation curve.
    Hurts when: training is shorter than a few half-lives (the average still contains the initial weights).

    >>> EMA(half_life=1.0).update([torch.zeros(1)], [torch.ones(1)], Clock(step=1, per_epoch=1, total=1))
    [tensor([0.5000])]
    """

    references = (
        Reference(
            authors=("B. T. Polyak", "A. B. Juditsky"),
            title="Acceleration of stochastic approximation by averaging",
            venue="SIAM J. Control and Optimization",
            volume="30",
            number="4",
            year=1992,
            url="https://doi.org/10.1137/0330046",
        ),
    )
    half_life: float = knob(
        default=0.5,
        low=0,
        high=float("inf"),
        open_right=True,
        search=(0.1, 3.0),
        log=True,
        neutral=0.0,
        unit="epochs",
        doc="time after which past weights count half",
    )

    def start(self, weights: Sequence[Tensor]) -> list[Tensor]:
        return [w.detach().clone() for w in weights]

    def update(self, state: list[Tensor], weights: Sequence[Tensor], clock: Clock) -> list[Tensor]:
        # With the tiny number, a half-life of 0 keeps exactly nothing, without a branch.
        decay = 0.5 ** (1 / (self.half_life * clock.per_epoch + 1e-30))
        return [s.sub_(w).mul_(decay).add_(w) for s, w in zip(state, (w.detach() for w in weights), strict=True)]

    def weights(self, state: list[Tensor]) -> list[Tensor]:
        return state
