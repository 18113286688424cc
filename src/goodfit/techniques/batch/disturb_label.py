"""DisturbLabel: replace some labels at random."""

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
    """Replaces a random fraction of the labels in each batch by uniformly random classes.

    Formula: with probability `rate`, y ← a class drawn uniformly from all classes, including the true one,
    independently per sample and epoch. A label therefore stays with probability 1 − rate · (classes − 1) / classes.

    Shape: y (batch, class) or, for masks, (batch, class, height, width): class probabilities, which still sum to one.

    Helps when: there are many classes and the network memorizes the labels.
    Hurts when: labels are already noisy, training is short, or label smoothing is used too (both have the same effect
    on average).

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
        unit="fraction",
        doc="fraction of the labels that are replaced",
    )

    def draw(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Draw:
        classes, shape = y.shape[1], (len(y), 1, *y.shape[2:])
        label = torch.randint(classes, shape, generator=generator, device=y.device)
        one_hot = (label == torch.arange(classes, device=y.device).reshape(-1, *[1] * (y.ndim - 2))).to(y.dtype)
        return bernoulli(self.rate, label.numel(), generator, y.device).reshape(shape), one_hot

    def transform_batch(self, x: Tensor, y: Tensor, draw: Draw, inputs: Inputs) -> tuple[Tensor, Tensor]:
        return x, torch.where(draw[0], draw[1], y)
