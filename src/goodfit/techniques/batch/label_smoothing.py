"""Label smoothing: mix the targets with the uniform distribution."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.reference import Reference
from goodfit.stages import BatchTransform, Draw
from goodfit.technique import knob


class LabelSmoothing(BatchTransform):
    """Mixes each label with the uniform distribution over the classes.

    Formula: y ← (1 − amount) · y + amount / classes.

    Shape: y (batch, class) or, for masks, (batch, class, height, width): class probabilities, which still sum to one.

    Helps when: some labels are wrong, or the network is overconfident.
    Hurts when: the metric is the log loss or a ranking, or MixUp is used too (both soften the labels).

    >>> LabelSmoothing(0.1).transform_batch(torch.zeros(1, 1), torch.tensor([[1.0, 0.0]]), (), Inputs())[1]
    tensor([[0.9500, 0.0500]])
    """

    references = (
        Reference(
            authors=("C. Szegedy", "V. Vanhoucke", "S. Ioffe", "J. Shlens", "Z. Wojna"),
            title="Rethinking the Inception architecture for computer vision",
            venue="CVPR",
            year=2016,
            section="section 7",
            url="https://arxiv.org/abs/1512.00567",
        ),
    )
    needs_targets: ClassVar[str] = "labels"
    amount: float = knob(
        default=0.1,
        low=0,
        high=1,
        open_right=True,
        search=(0.0, 0.2),
        neutral=0.0,
        unit="fraction",
        doc="probability that is spread evenly over all classes",
    )

    def draw(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Draw:
        return ()

    def transform_batch(self, x: Tensor, y: Tensor, draw: Draw, inputs: Inputs) -> tuple[Tensor, Tensor]:
        return x, (1 - self.amount) * y + self.amount / y.shape[1]
