"""DropPath (stochastic depth): skip residual branches at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import Tensor

from goodfit.ops.dropout import dropout_factors, keep_mask, quantize_rate
from goodfit.reference import Reference
from goodfit.stages import BitNoise, BranchNoise, Draw
from goodfit.technique import knob


class DropPath(BitNoise, BranchNoise):
    """Skips random residual branches for each sample, so that only the shortcut remains (stochastic depth).

    Formula: in y = shortcut + branch, branch ← branch · m / (1 − r), m ~ Bernoulli(1 − r), drawn independently per
    sample and branch. With `linear`, r increases with depth: r = rate · l / L at branch l of L; otherwise r = rate
    everywhere. Without `scale_by_keep` the branch is not divided by 1 − r, and so contributes more in evaluation than
    on average in training (timm has the same option). Rates are rounded to 1/65536. Training only; evaluation is
    unchanged.

    Shape: the output of a branch (batch, …), any shape.

    Helps when: networks with shortcuts are deep (residual networks, transformers).
    Hurts when: there are few branches and each one is needed. (`DropConnect` is a different technique.)

    >>> import torch
    >>> DropPath(0.5).perturb(torch.ones(2, 3), (torch.tensor([[-32768], [32767]], dtype=torch.int16),))
    tensor([[0., 0., 0.],
            [2., 2., 2.]])
    >>> [DropPath(0.25).branch(depth).rate for depth in (0.5, 1.0)]
    [0.125, 0.25]

    Differs from the paper: branches are dropped per sample, not for the whole batch; branches are scaled up in
    training, not down in evaluation.
    """

    references = (
        Reference(
            authors=("G. Huang", "Y. Sun", "Z. Liu", "D. Sedra", "K. Q. Weinberger"),
            title="Deep networks with stochastic depth",
            venue="ECCV",
            year=2016,
            url="https://arxiv.org/abs/1603.09382",
        ),
    )
    rate: float = knob(
        default=0.1,
        low=0,
        high=1,
        open_right=True,
        search=(0.0, 0.5),
        neutral=0.0,
        unit="fraction",
        doc="fraction of the samples that skip the branch, at the last branch",
    )
    linear: bool = knob(
        default=True, doc="increase the rate linearly with depth; otherwise it is the same for all branches"
    )
    scale_by_keep: bool = knob(default=True, doc="divide kept branches by 1 − rate, so that the mean is preserved")
    on: str = knob(
        default="",
        doc="modules whose output is added to a shortcut: globs on names (layers.*.mlp), types (Mlp); !word excludes; "
        "separated by blanks; empty: detected automatically",
    )

    def branch(self, depth: float) -> Self:
        return self.with_values(rate=self.rate * depth) if self.linear else self

    def bits_shape(self, x: Tensor) -> Sequence[int]:
        return (len(x), *[1] * (x.ndim - 1))

    def perturb(self, x: Tensor, draw: Draw) -> Tensor:
        if self.scale_by_keep:
            return x * dropout_factors(draw[0], self.rate, x.dtype)
        return x * keep_mask(draw[0], quantize_rate(self.rate), x.dtype)
