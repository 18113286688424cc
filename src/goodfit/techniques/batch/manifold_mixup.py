"""Manifold MixUp: blend pairs of samples at a random layer."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.ops.broadcast import blend
from goodfit.ops.sampling import symmetric_beta
from goodfit.reference import Reference
from goodfit.stages import Draw, HiddenMix
from goodfit.technique import knob


class ManifoldMixUp(HiddenMix):
    """Blends pairs of samples at a randomly chosen layer of the network, and their targets with the same weights.

    Formula: h ← λ h + (1 − λ) h′ for the input h of one layer, and y ← λ y + (1 − λ) y′, where h′ and y′ belong to a
    random partner from the same batch. The layer and λ ~ Beta(alpha, alpha) are drawn once per batch; λ is replaced by
    max(λ, 1 − λ). The input of the first layer is the input of the network. alpha = 0 leaves the batch unchanged.

    Shape: h (batch, …), y (batch, class) or (batch, outputs). Shapes and dtypes do not change.

    Helps when: the training set is small, and averages are more meaningful for hidden representations than for inputs.
    Hurts when: the network is small or underfits. Training takes longer.

    >>> draw = (torch.tensor([0.75]), torch.tensor([1, 0]), torch.tensor(0.5))
    >>> ManifoldMixUp(2.0).mix(torch.tensor([[0.0], [4.0]]), draw).flatten()
    tensor([1., 3.])
    >>> ManifoldMixUp(2.0).layer_index(draw, layers=3)
    1

    Differs from the paper: λ is replaced by max(λ, 1 − λ), which does not change the distribution, because the partners
    are a random permutation.
    """

    references = (
        Reference(
            authors=("V. Verma", "et al."),
            title="Manifold mixup: better representations by interpolating hidden states",
            venue="ICML",
            year=2019,
            url="https://arxiv.org/abs/1806.05236",
        ),
    )
    cheap_when_neutral: ClassVar[bool] = False
    alpha: float = knob(
        default=1.0,
        low=0,
        high=float("inf"),
        open_right=True,
        search=(0.1, 2.0),
        log=True,
        neutral=0.0,
        unit="Beta shape",
        doc="α of the Beta(α, α) distribution of λ; larger values blend more",
    )

    def draw(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Draw:
        partner = torch.randperm(len(x), generator=generator, device=x.device)
        place = torch.empty((), dtype=torch.float32, device=x.device).uniform_(generator=generator)
        # In the dtype of y, because x may hold integers (tokens).
        return symmetric_beta(self.alpha, 1, generator, y.dtype, x.device, folded=True), partner, place

    def targets(self, y: Tensor, draw: Draw) -> Tensor:
        return blend(y, *draw[:2])

    def layer_index(self, draw: Draw, layers: int) -> int:
        return min(int(draw[2] * layers), layers - 1)

    def mix(self, x: Tensor, draw: Draw) -> Tensor:
        return blend(x, *draw[:2])
