"""Orthogonal regularization: a penalty on the cosines between the weight vectors of units."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import SmoothPenalty, selector
from goodfit.technique import knob


class Orthogonal(SmoothPenalty):
    """Penalizes the mean |cosine| between the weight vectors of a layer's units.

    Formula: cost = loss + factor · mean over pairs i < j of |cos(w_i, w_j)|, as in Keras' `OrthogonalRegularizer`. With
    h = w / ‖w‖, p pairs and S = sign(h hᵀ) without its diagonal, let g = (factor / p) · S h; the gradient is
    ∂/∂w_i = (g_i − (g_i · h_i) h_i) / ‖w_i‖.
    The lengths of the vectors do not matter; a zero vector is left unchanged, and a single vector has no pair and no
    penalty.

    Shape: weights of two or more dimensions, units first. over="units": one vector per unit, its incoming weights;
    over="inputs": one vector per input (or input channel), the weights that leave it. n vectors need n² products.

    Helps when: units become similar (many weights, few rows), or the gradients of recurrent weights vanish or explode.
    Hurts when: a layer has far more vectors than dimensions (they cannot all be orthogonal).

    >>> w = torch.tensor([[3.0, 4.0], [2.0, 0.0]])
    >>> Orthogonal(0.5).value(w), Orthogonal(0.5).gradient(w)[1]
    (tensor(0.3000), tensor([0.0000, 0.2000]))

    Differs from the paper: it is Keras' penalty on |cos|, which does not depend on the lengths of the vectors; the
    paper's penalty is Σ |w wᵀ − I|.
    Differs from Keras: the default is over="units", Keras' mode="columns"; Keras' default "rows" is over="inputs".
    """

    references = (
        Reference(
            authors=("A. Brock", "T. Lim", "J. M. Ritchie", "N. Weston"),
            title="Neural photo editing with introspective adversarial networks",
            venue="ICLR",
            year=2017,
            url="https://arxiv.org/abs/1609.07093",
        ),
    )
    cheap_when_neutral: ClassVar[bool] = False
    needs_matrix: ClassVar[bool] = True
    factor: float = knob(
        default=1e-2,
        low=0,
        search=(1e-3, 1.0),
        log=True,
        neutral=0.0,
        unit="loss per |cosine|",
        doc="λ, weight of the mean |cos| in the cost",
    )
    over: str = knob(
        default="units", choices=("units", "inputs"), doc="which weight vectors should be orthogonal to each other"
    )
    on: str = selector()

    def value(self, w: Tensor) -> Tensor:
        h, _ = _directions(self._vectors(w))
        return self.factor * _without_diagonal(h @ h.T).abs().sum() / (2 * _pairs(h))

    def gradient(self, w: Tensor) -> Tensor:
        vectors = self._vectors(w)
        h, inverse = _directions(vectors)
        g = _without_diagonal(h @ h.T).sign() @ h / _pairs(h)  # (vector, dimension)
        g = self.factor * (g - (g * h).sum(1, keepdim=True) * h) * inverse
        return g.reshape(w.transpose(0, 1).shape).transpose(0, 1) if self.over == "inputs" else g.reshape(w.shape)

    def _vectors(self, w: Tensor) -> Tensor:
        return (w.transpose(0, 1) if self.over == "inputs" else w).flatten(1)


def _directions(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Unit vectors and 1 / length (0 for a zero vector)."""
    length = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    inverse = torch.where(length > 0, 1 / length, torch.zeros_like(length))
    return vectors * inverse, inverse


def _pairs(h: Tensor) -> float:
    return max(1.0, len(h) * (len(h) - 1) / 2)


def _without_diagonal(square: Tensor) -> Tensor:
    return square - torch.diag_embed(torch.diagonal(square))
