"""Manifold mixup: blending of two samples inside the network."""

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
    """Blends the rows of a batch at a randomly drawn layer, and their targets alike.

    Formula: h ← λ h + (1 − λ) h′ for the input h of one layer, y ← λ y + (1 − λ) y′; h′, y′ are those of a random
    partner of the same batch. The layer (the first one's input is the network's own) and λ ~ Beta(alpha, alpha), folded
    to λ ≥ ½, are drawn once per batch. alpha = 0 leaves the batch as it is.

    Shape: h (batch, …), y (batch, class) or (batch, outputs); both keep their shape and dtype.

    Helps when: rows are few and the average of two inputs means little, but that of two hidden representations does.
    Hurts when: the network is small or underfits; training takes longer.

    >>> draw = (torch.tensor([0.75]), torch.tensor([1, 0]), torch.tensor(0.5))
    >>> ManifoldMixUp(2.0).mix(torch.tensor([[0.0], [4.0]]), draw).flatten()
    tensor([1., 3.])
    >>> ManifoldMixUp(2.0).layer_index(draw, layers=3)
    1

    Differs from the paper: λ is folded, which changes nothing in distribution, as partners are a random permutation.
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
        unit="shape of Beta",
        doc="how strongly samples are blended",
    )

    def draw(self, x: Tensor, y: Tensor, generator: torch.Generator) -> Draw:
        partner = torch.randperm(len(x), generator=generator, device=x.device)
        place = torch.empty((), dtype=torch.float32, device=x.device).uniform_(generator=generator)
        # y's dtype, because x may hold the whole numbers of tokens.
        return symmetric_beta(self.alpha, 1, generator, y.dtype, x.device, folded=True), partner, place

    def targets(self, y: Tensor, draw: Draw) -> Tensor:
        return blend(y, *draw[:2])

    def layer_index(self, draw: Draw, layers: int) -> int:
        return min(int(draw[2] * layers), layers - 1)

    def mix(self, x: Tensor, draw: Draw) -> Tensor:
        return blend(x, *draw[:2])
