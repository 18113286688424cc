"""Spectral norm: an upper bound on the largest singular value of each weight matrix."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from goodfit.reference import Reference
from goodfit.stages import Draw, Projection, selector
from goodfit.technique import knob

ITERATIONS, ROUNDS_AT_START = 4, 8


class SpectralNorm(Projection):
    """Keeps the largest singular value of each weight matrix at or below a bound.

    Formula: after each step, w ← w · min(1, max_value / σ), where σ is the largest singular value of w as a matrix
    (units, incoming). A layer inside the bound stays bit-equal. σ is computed by power iteration from the vector v of
    the previous step: it is the largest factor by which w stretches a vector in the span of v, wᵀw v, …, (wᵀw)⁴ v. This
    is at most the exact value; in training, its relative error is usually below one thousandth.

    Shape: weights of two or more dimensions, units first; a filter of a convolution is one row.

    Helps when: predictions must not jump when inputs change slightly (noise, adversarial attacks), or learning rates
    are high.
    Hurts when: the bound is so low that the network cannot fit. The product of the bounds over the layers is what
    matters.

    >>> w = torch.tensor([[4.0, 0.0], [0.0, 0.5]])
    >>> technique = SpectralNorm(2.0)
    >>> technique.project(w, technique.start(w))[0]
    tensor([[2.0000, 0.0000],
            [0.0000, 0.2500]])

    Differs from the paper: a convolution is bounded by the norm of its filters as a matrix, which does not depend on
    the size of the image, instead of the norm of the convolution itself; σ is computed from the span of the iterated
    vectors instead of the last one, which is far more exact at the same cost.
    """

    references = (
        Reference(
            authors=("H. Gouk", "E. Frank", "B. Pfahringer", "M. J. Cree"),
            title="Regularisation of neural networks by enforcing Lipschitz continuity",
            venue="Machine Learning",
            volume="110",
            year=2021,
            url="https://arxiv.org/abs/1804.04368",
        ),
    )
    cheap_when_neutral: ClassVar[bool] = False
    every: ClassVar[int] = 8
    needs_matrix: ClassVar[bool] = True
    max_value: float = knob(
        default=2.0,
        low=0,
        open_left=True,
        search=(0.5, 10.0),
        log=True,
        neutral=float("inf"),
        unit="singular value",
        doc="upper bound on the largest singular value",
    )
    on: str = selector()

    def start(self, w: Tensor) -> Draw:
        matrix = w.flatten(1)
        # Irregular numbers, so that it is unlikely that a weight matrix is orthogonal to them.
        index = torch.arange(1, matrix.shape[1] + 1, dtype=torch.float32, device=w.device)
        v = (torch.frac(index * 0.618034) + 0.1 * torch.sin(index.square())).to(w.dtype)
        v = v / torch.linalg.vector_norm(v)
        for _ in range(ROUNDS_AT_START):
            v, _ = _most_stretched(matrix, v)
        return (v,)

    def project(self, w: Tensor, state: Draw) -> tuple[Tensor, Draw]:
        v, sigma = _most_stretched(w.flatten(1), state[0])
        return w.mul_((self.max_value / sigma).clamp(max=1.0)), (v,)


def _most_stretched(matrix: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """The unit vector in the span of the iterates that the matrix (unit, incoming) stretches most, and the factor."""
    dtype = v.dtype
    wide = torch.promote_types(dtype, torch.float32)  # LAPACK has no half precision
    matrix, v = matrix.to(wide), v.to(wide)
    iterates = [v]
    for _ in range(ITERATIONS):
        v = F.normalize(matrix.T @ F.normalize(matrix @ v, dim=0), dim=0)
        iterates.append(v)
    basis = torch.linalg.qr(_finite(torch.stack(iterates, dim=1))).Q  # (incoming, at most 5)
    _, sigma, right = torch.linalg.svd(_finite(matrix @ basis), full_matrices=False)
    return (basis @ right[0]).to(dtype), sigma[0].to(dtype)


def _finite(x: Tensor) -> Tensor:
    """Replaces values that are not finite by zero: LAPACK rejects them, and the trainer reports diverged weights."""
    return x.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
