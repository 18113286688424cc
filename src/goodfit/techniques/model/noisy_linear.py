"""Noisy linear layers: weight noise with a learned scale per weight."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Draw, TrainableStrengths, WeightPerturbation, selector
from goodfit.technique import knob


class NoisyLinear(WeightPerturbation, TrainableStrengths):
    """Adds Gaussian noise to the weights of linear layers, with a learned scale per weight.

    Formula: the forward pass uses w + σ · f(ε_out) f(ε_in)ᵀ with f(ε) = sign(ε) √|ε|, ε ~ N(0, 1), one value per unit
    and one per input, drawn independently per batch; for a bias, b + σ · f(ε). σ has the shape of w and is learned with
    it, starting from sigma / √(inputs of a unit) (for a bias: its own length). Training only; evaluation uses w.

    Shape: a weight (units, incoming, …) or a bias (units,).

    Helps when: some weights tolerate noise and others do not, so that no single scale fits all (`WeightNoise` has one).
    Hurts when: memory is short (twice the weights), or training is long: σ shrinks where noise does not reduce the
    loss.

    >>> draw = torch.tensor([4.0]), torch.tensor([1.0, -9.0])
    >>> NoisyLinear(0.5).perturb(torch.zeros(1, 2), draw), NoisyLinear(0.5).initial_values(torch.ones(1, 4))
    (tensor([[ 1., -3.]]), {'sigma': tensor([[0.2500, 0.2500, 0.2500, 0.2500]])})

    Differs from the paper: weights start from the network's own initialization; a bias has its own noise, and its σ
    starts from its own length; there is no noise in evaluation.
    """

    references = (
        Reference(
            authors=("M. Fortunato", "et al."),
            title="Noisy networks for exploration",
            venue="ICLR",
            year=2018,
            url="https://arxiv.org/abs/1706.10295",
        ),
    )
    sigma: float = knob(
        default=0.5,
        low=0,
        search=(0.1, 1.0),
        log=True,
        neutral=0.0,
        unit="1 / √inputs",
        doc="σ₀, initial scale of the noise; 0 stays 0",
    )
    on: str = selector("Linear kernel bias")

    def initial_values(self, like: Tensor) -> dict[str, Tensor]:
        inputs = like[0].numel() if like.ndim > 1 else len(like)
        return {"sigma": torch.full_like(like, self.sigma / inputs**0.5, requires_grad=False)}

    def draw(self, w: Tensor, generator: torch.Generator) -> Draw:
        sides = (w.shape[:1], w.shape[1:]) if w.ndim > 1 else (w.shape,)
        return tuple(w.new_empty(side).normal_(generator=generator) for side in sides)

    def perturb(self, w: Tensor, draw: Draw) -> Tensor:
        units, *incoming = [e.sign() * e.abs().sqrt() for e in draw]
        noise = units.reshape(-1, *[1] * (w.ndim - 1)) * incoming[0] if incoming else units
        return w + self.sigma * noise
