"""FGSM: training on inputs moved against the network."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.ops.sampling import bernoulli
from goodfit.reference import Reference
from goodfit.stages import Attack, Draw
from goodfit.technique import knob


class FGSM(Attack):
    """Moves a share of the rows by a small step in the direction in which their loss rises fastest.

    Formula: x ← x + epsilon · scale · sign(∂loss/∂x), for each row with probability `share`; scale is the spread of the
    training inputs (per column of a table, one number for images), so that epsilon is in units of the data.

    Shape: x (batch, …); it keeps its shape and dtype.

    Helps when: small changes of the input must not change the answer; rows are few.
    Hurts when: epsilon is of the size of the differences between classes; columns are codes or one-hot. Each step
    computes one more gradient.

    >>> x, input_gradient, scale = torch.zeros(2, 2), torch.tensor([[3.0, -0.1], [1.0, 1.0]]), torch.tensor([1.0, 10.0])
    >>> FGSM(0.5).attack(x, input_gradient, scale, (torch.tensor([True, False]),))
    tensor([[ 0.5000, -5.0000],
            [ 0.0000,  0.0000]])

    Differs from the paper: a moved row takes the place of the clean one; the paper adds the two losses of every row,
    which is the same in expectation (`share` ½ is its α of ½).
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
        doc="length of the step",
    )
    share: float = knob(
        default=0.5,
        low=0,
        high=1,
        open_left=True,
        search=(0.25, 1.0),
        unit="share",
        doc="share of the rows that are moved",
    )

    def draw(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Draw:
        return (bernoulli(self.share, len(x), generator, x.device),)

    def attack(self, x: Tensor, input_gradient: Tensor, scale: Tensor, draw: Draw) -> Tensor:
        moved = draw[0].to(x.dtype).reshape(-1, *[1] * (x.ndim - 1))
        return x + self.epsilon * (moved * scale.to(x.dtype) * input_gradient.sign())
