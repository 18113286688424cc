"""Parametric noise injection: Gaussian noise with a learned scale per layer."""

from __future__ import annotations

from typing import Self

import torch
from torch import Tensor

from goodfit.ops.sampling import normal_like
from goodfit.reference import Reference
from goodfit.stages import Draw, Noise, TrainableStrengths, selector
from goodfit.technique import knob


class ParametricNoise(Noise, TrainableStrengths):
    """Adds Gaussian noise to the inputs of layers, with a learned scale per layer.

    Formula: x ← x + alpha · σ_x · z, z ~ N(0, 1), drawn independently per sample and unit, where σ_x is the standard
    deviation of all values of x in the batch, treated as a constant, and alpha is one number per layer. alpha is
    learned with the weights, starting from the value given here: ∂loss/∂alpha = Σ ∂loss/∂x · σ_x · z. It is applied to
    the input of each selected layer, including the network's own input (exclude it with `on="!first"`). Training only;
    evaluation is unchanged.

    Shape: activations (batch, …), any shape.

    Helps when: training includes adversarial inputs (`FGSM`), where noise reduces the loss.
    Hurts when: it is the only regularizer: on clean data the training loss is lower without noise, and alpha shrinks.

    >>> noise, x = ParametricNoise(0.5), torch.tensor([[1.0], [5.0]])
    >>> noise.perturb(x, (torch.tensor([[1.0], [-2.0]]),)).flatten(), noise.initial_values(x)
    (tensor([2., 3.]), {'alpha': tensor(0.5000)})

    Differs from the paper: noise only on the inputs of layers, not on weights, and none in evaluation; the loss is that
    of the recipe, not half clean and half adversarial.
    """

    references = (
        Reference(
            authors=("Z. He", "A. S. Rakin", "D. Fan"),
            title=(
                "Parametric noise injection: trainable randomness to improve deep neural network robustness "
                "against adversarial attack"
            ),
            venue="CVPR",
            year=2019,
            url="https://arxiv.org/abs/1811.09310",
        ),
    )
    alpha: float = knob(
        default=0.25,
        low=0,
        search=(0.05, 1.0),
        log=True,
        neutral=0.0,
        unit="standard deviations of x",
        doc="initial scale of the noise; 0 stays 0",
    )
    on: str = selector()

    def for_layer(self, first: bool) -> Self | None:
        return self

    def initial_values(self, like: Tensor) -> dict[str, Tensor]:
        return {"alpha": torch.full((), self.alpha, dtype=like.dtype, device=like.device)}

    def draw(self, x: Tensor, generator: torch.Generator) -> Draw:
        return (normal_like(x, generator),)

    def perturb(self, x: Tensor, draw: Draw) -> Tensor:
        return x + self.alpha * (x.detach().std(correction=0) * draw[0])
