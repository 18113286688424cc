"""SWA: stochastic weight averaging."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import AveragedWeights, Clock, Periodic, ScalesLearningRate
from goodfit.technique import knob


class SWA(AveragedWeights, ScalesLearningRate, Periodic):
    """Evaluates and keeps the mean of the weights at the ends of the last epochs.

    Formula: average = mean of w over the ends of all epochs from the fraction swa_start of training on; before that,
    the weights themselves are evaluated. From swa_start on, the learning rate is multiplied by `pace_to`. Running
    statistics of batch norms are recomputed for the averaged weights before evaluation.

    Shape: one average per weight tensor, and a count.

    Helps when: the learning rate stays high until the end, so that the weights keep moving around a minimum.
    Hurts when: the loss still falls steadily after `swa_start` (the average lags behind), or early stopping ends
    training before it.

    >>> swa, one = SWA(swa_start=0.5), [torch.ones(1)]
    >>> state = swa.start(one)
    >>> for step in (1, 2, 3, 4):  # four epochs of one step: the last three are averaged
    ...     state = swa.update(state, [step * one[0]], Clock(step, per_epoch=1, total=4))
    >>> swa.weights(state)
    [tensor([3.])]

    Differs from the paper: the learning rate of the averaged epochs follows the schedule of the run, multiplied by
    `pace_to`.
    """

    references = (
        Reference(
            authors=("P. Izmailov", "D. Podoprikhin", "T. Garipov", "D. Vetrov", "A. G. Wilson"),
            title="Averaging weights leads to wider optima and better generalization",
            venue="UAI",
            year=2018,
            url="https://arxiv.org/abs/1803.05407",
        ),
    )
    swa_start: float = knob(
        default=0.75,
        low=0,
        high=1,
        search=(0.5, 0.9),
        neutral=1.0,
        unit="fraction of training",
        doc="when averaging starts",
    )
    pace_to: float = knob(
        default=1.0,
        low=0,
        open_left=True,
        search=(0.1, 2.0),
        log=True,
        unit="factor",
        doc="factor on the learning rate while averaging",
    )

    def start(self, weights: Sequence[Tensor]) -> list[Tensor]:
        dtype = torch.promote_types(weights[0].dtype, torch.float32)  # half precision counts to 256 or 2048 only
        count = torch.zeros((), dtype=dtype, device=weights[0].device)
        return [*(w.detach().clone() for w in weights), count]

    def acts(self, clock: Clock) -> bool:
        return clock.ends_epoch

    def update(self, state: list[Tensor], weights: Sequence[Tensor], clock: Clock) -> list[Tensor]:
        averaging = clock.step / clock.total >= self.swa_start - 1e-6  # tensors are rounded to single precision
        count = (state[-1] + 1) * averaging
        weight = 1 / count.clamp(min=1)  # 1 until averaging starts: the weights themselves, bit-equal
        pairs = zip(state[:-1], weights, strict=True)
        return [*(torch.lerp(average, w.detach(), weight.to(w.dtype)) for average, w in pairs), count]

    def weights(self, state: list[Tensor]) -> list[Tensor]:
        return state[:-1]

    def lr_factor(self, clock: Clock) -> float:
        return float(self.pace_to ** (clock.progress >= self.swa_start))
