"""FGSM: adversarial training with the fast gradient sign method."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.ops.sampling import bernoulli
from goodfit.reference import Reference
from goodfit.stages import Attack, Draw
from goodfit.technique import knob


class FGSM(Attack):
    """Moves a fraction of the samples by a small step that increases their loss fastest (adversarial training).

    Formula: x ← x + epsilon · scale · sign(∂loss/∂x), for each sample with probability `share`. `scale` is the standard
    deviation of the training inputs (per column of a table, one number for images), so that epsilon is in units of the
    data.

    Shape: x (batch, …). Shape and dtype do not change.

    Helps when: small changes of the input must not change the prediction, or the training set is small.
    Hurts when: epsilon is as large as the differences between classes, or columns are integer codes or one-hot. Each
    step computes one additional gradient.

    >>> x, input_gradient, scale = torch.zeros(2, 2), torch.tensor([[3.0, -0.1], [1.0, 1.0]]), torch.tensor([1.0, 10.0])
    >>> FGSM(0.5).attack(x, input_gradient, scale, (torch.tensor([True, False]),))
    tensor([[ 0.5000, -5.0000],
            [ 0.0000,  0.0000]])

    Differs from the paper: a moved sample replaces the original one; the paper adds the losses of both, which is the
    same in expectation (`share` ½ corresponds to its α of ½).
    """

    references = (
        Reference(
            authors=("I. J. Goodfellow", "J. Shlens", "C. Szegedy"),
            title="Explaining and harnessing adversarial examples",
            venue="ICLR",
            year=2015,
            url="https://arxiv.org/abs/1412.6572",
        ),
    )
    cheap_when_neutral: ClassVar[bool] = False
    needs_floats: ClassVar[bool] = True
    epsilon: float = knob(
        default=0.1,
        low=0,
        high=float("inf"),
        open_right=True,
        search=(0.01, 0.5),
        log=True,
        neutral=0.0,
        unit="standard deviations of the inputs",
        doc="size of the step",
    )
    share: float = knob(
        default=0.5,
        low=0,
        high=1,
        open_left=True,
        search=(0.25, 1.0),
        unit="fraction",
        doc="fraction of the samples that are moved",
    )

    def draw(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Draw:
        return (bernoulli(self.share, len(x), generator, x.device),)

    def attack(self, x: Tensor, input_gradient: Tensor, scale: Tensor, draw: Draw) -> Tensor:
        moved = draw[0].to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))
        return x + self.epsilon * (moved * scale.to(x.dtype) * input_gradient.sign())
