"""Target noise: Gaussian noise on numeric targets."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.sampling import normal_like
from goodfit.reference import Reference
from goodfit.stages import BatchTransform, Draw
from goodfit.technique import knob


class TargetNoise(BatchTransform):
    """Adds zero-mean Gaussian noise to numeric targets.

    Formula: y ← y + stddev · z, z ~ N(0, 1), drawn independently per sample, output and epoch. The library standardizes
    targets, so that stddev = 1 is the standard deviation of the target.

    Shape: y (batch, outputs). Shape and dtype do not change.

    Helps when: the network memorizes individual targets (rounded targets, or a small training set and many epochs).
    Hurts when: training is short. Under a squared loss the noise only adds a constant to the expected loss and makes
    gradients noisier.

    >>> y = torch.tensor([[0.5], [-1.0]])
    >>> TargetNoise(0.1).transform_batch(y, y, (torch.tensor([[1.0], [-2.0]]),), Inputs())[1].flatten()
    tensor([ 0.6000, -1.2000])
    """

    references = (
        Reference(
            authors=("G. An",),
            title="The effects of adding noise during backpropagation training on a generalization performance",
            venue="Neural Computation",
            volume="8",
            number="3",
            year=1996,
            url="https://doi.org/10.1162/neco.1996.8.3.643",
        ),
    )
    needs_targets: ClassVar[str] = "numbers"
    stddev: float = knob(
        default=0.1,
        low=0,
        high=float("inf"),
        open_right=True,
        search=(0.01, 0.5),
        log=True,
        neutral=0.0,
        unit="standard deviations of the target",
        doc="standard deviation of the noise",
    )

    def draw(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Draw:
        return (normal_like(y, generator),)

    def transform_batch(self, x: Tensor, y: Tensor, draw: Draw, inputs: Inputs) -> tuple[Tensor, Tensor]:
        return x, y + self.stddev * draw[0]
