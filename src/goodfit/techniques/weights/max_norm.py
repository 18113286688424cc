"""Max-norm: an upper bound on the norm of the weights into each unit."""

from __future__ import annotations

import torch  # noqa: F401  (for the example)
from torch import Tensor

from goodfit.reference import Reference
from goodfit.stages import Scaling, axis_knob, norm_axes, selector
from goodfit.technique import knob


class MaxNorm(Scaling):
    """Keeps the L2 norm of the weights into each unit at or below a bound.

    Formula: after each step, w ← w · min(1, max_value / ‖w‖) for the incoming weights w of each unit. Units inside the
    bound stay bit-equal.

    Shape: any weight of two or more dimensions. Norms are computed per unit: a row of a Linear or recurrent weight, a
    filter of a convolution (also a transposed one), a vector of an embedding. With `axis` ≥ 0, norms are computed along
    that one dimension of the weight in the layout (out, in, …), which every selected weight must have. Keras'
    `max_norm(axis=0)` on its (in, out) kernels is our default.

    Helps when: learning rates are high, together with dropout.
    Hurts when: the bound is so low that every unit reaches it.

    >>> MaxNorm(2.0).scale(torch.tensor([[1.0], [2.0], [4.0]])).flatten()
    tensor([1.0000, 1.0000, 0.5000])
    """

    references = (
        Reference(
            authors=("N. Srivastava", "G. Hinton", "A. Krizhevsky", "I. Sutskever", "R. Salakhutdinov"),
            title="Dropout: a simple way to prevent neural networks from overfitting",
            venue="JMLR",
            volume="15",
            year=2014,
            section="section 5.1",
            url="https://jmlr.org/papers/v15/srivastava14a.html",
        ),
    )
    max_value: float = knob(
        default=3.0, low=0, open_left=True, search=(1.0, 5.0), neutral=float("inf"), unit="L2 norm", doc="largest norm"
    )
    axis: int = axis_knob()
    on: str = selector()

    def axes(self, ndim: int) -> tuple[int, ...]:
        return norm_axes(self, self.axis, ndim)

    def scale(self, norm: Tensor) -> Tensor:
        return (self.max_value / norm).clamp(max=1.0)

    def is_violated(self, norm: Tensor) -> bool:
        return not bool((norm <= self.max_value).all())  # also if one is NaN
