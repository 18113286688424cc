"""DisturbLabel: some labels replaced at random."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.sampling import bernoulli
from goodfit.reference import Reference
from goodfit.stages import BatchTransform, Draw
from goodfit.technique import knob


class DisturbLabel(BatchTransform):
    """Replaces a random share of the labels in each batch by classes drawn evenly.

    Formula: with probability `rate`, y ← the label of a class drawn evenly from all of them (its own one too), anew per
    sample and epoch: a label stays with probability 1 − rate · (classes − 1) / classes.

    Shape: y (batch, class) or, of masks, (batch, class, height, width), class probabilities; they still sum to one.

    Helps when: classes are many and the network learns every label by heart.
    Hurts when: labels are noisy already, or training is short; together with label smoothing (the same on average).

    >>> draw = (torch.tensor([[True], [False]]), torch.tensor([[0.0, 1.0], [0.0, 1.0]]))
    >>> DisturbLabel(0.1).transform_batch(torch.zeros(2, 1), torch.tensor([[1.0, 0.0], [1.0, 0.0]]), draw, Inputs())[1]
    tensor([[0., 1.],
            [1., 0.]])
    """

    references = (
        Reference(
            authors=("L. Xie", "et al."),
            title="DisturbLabel: regularizing CNN on the loss layer",
            venue="CVPR",
            year=2016,
            url="https://arxiv.org/abs/1605.00055",
        ),
    )
    needs_targets: ClassVar[str] = "labels"
    rate: float = knob(
        default=0.1,
        low=0,
        high=1,
        open_right=True,
        search=(0.0, 0.3),
        neutral=0.0,
        unit="share",
        doc="share of the labels that are drawn anew",
    )

    def draw(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Draw:
        classes, places = y.shape[1], (len(y), 1, *y.shape[2:])
        label = torch.randint(classes, places, generator=generator, device=y.device)
        drawn = (label == torch.arange(classes, device=y.device).reshape(-1, *[1] * (y.ndim - 2))).to(y.dtype)
        return bernoulli(self.rate, label.numel(), generator, y.device).reshape(places), drawn

    def transform_batch(self, x: Tensor, y: Tensor, draw: Draw, inputs: Inputs) -> tuple[Tensor, Tensor]:
        return x, torch.where(draw[0], draw[1], y)
