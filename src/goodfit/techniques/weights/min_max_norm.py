"""Min-max-norm: lower and upper bounds on the norm of the weights into each unit."""

from __future__ import annotations

import torch  # noqa: F401  (for the example)
from torch import Tensor

from goodfit.errors import InputError
from goodfit.reference import Reference
from goodfit.stages import Scaling, axis_knob, norm_axes, selector
from goodfit.technique import knob


class MinMaxNorm(Scaling):
    """Keeps the L2 norm of the weights into each unit between two bounds.

    Formula: after each step, w ← w · n / ‖w‖ with n = rate · clip(‖w‖, min_value, max_value) + (1 − rate) · ‖w‖, for
    the incoming weights w of each unit. With rate = 1 the bounds hold after every step; a smaller rate moves the norm
    there gradually. Units inside the bounds stay bit-equal, and weights that are all zero stay zero.

    Shape: any weight of two or more dimensions, units first; `axis` as in `MaxNorm`. Keras' `min_max_norm(axis=0)` on
    its (in, out) kernels is our default.

    Helps when: some units die out while others grow without bound.
    Hurts when: useless units should fade away (use `MaxNorm`), or the bounds are so close that every unit reaches one.

    >>> MinMaxNorm(1.0, 2.0).scale(torch.tensor([[0.5], [1.5], [4.0], [0.0]])).flatten()
    tensor([2.0000, 1.0000, 0.5000, 1.0000])

    Differs from the paper: the lower bound and the rate come from Keras; the paper has only the upper bound.
    Differs from Keras: no 1e-7 is added to the norm, so that units inside the bounds do not shrink.
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
        Reference(
            authors=("F. Chollet", "et al."),
            title="Keras weight constraints",
            year=2015,
            url="https://keras.io/api/layers/constraints/",
        ),
    )
    min_value: float = knob(
        default=0.0, low=0, search=(0.0, 1.0), neutral=0.0, unit="L2 norm", doc="lower bound; at most max_value"
    )
    max_value: float = knob(
        default=1.0,
        low=0,
        open_left=True,
        search=(1.0, 5.0),
        neutral=float("inf"),
        main=True,
        unit="L2 norm",
        doc="upper bound",
    )
    rate: float = knob(
        default=1.0,
        low=0,
        high=1,
        open_left=True,
        search=(0.1, 1.0),
        unit="fraction",
        doc="fraction of the distance to the bound that is corrected per step",
    )
    axis: int = axis_knob()
    on: str = selector()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_value > self.max_value:
            values = f"min_value={self.min_value!r}, max_value={self.max_value!r}"
            raise InputError(f"MinMaxNorm: min_value must be at most max_value, got {values}; change one.")

    def axes(self, ndim: int) -> tuple[int, ...]:
        return norm_axes(self, self.axis, ndim)

    def scale(self, norm: Tensor) -> Tensor:
        full = (self.min_value / norm).clamp(min=1.0) * (self.max_value / norm).clamp(max=1.0)
        full = full.nan_to_num(nan=1.0, posinf=1.0)  # a zero vector has no direction to grow in
        return full - (full - 1) * (1 - self.rate)  # exactly 1 inside the bounds, exactly `full` with rate 1
