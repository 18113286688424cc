"""DropPath: residual branches switched off at random (stochastic depth)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import Tensor

from goodfit.ops.dropout import dropout_factors, keep_mask, quantize_rate
from goodfit.reference import Reference
from goodfit.stages import BitNoise, BranchNoise, Draw
from goodfit.technique import knob


class DropPath(BitNoise, BranchNoise):
    """Leaves out whole residual branches in training, anew for each sample, so that only the shortcut remains.

    Formula: in y = shortcut + branch, branch ← branch · m / (1 − r), m ~ Bernoulli(1 − r), one per sample and branch;
    the identity in evaluation. With `linear`, r rises with depth: rate · l / L at branch l of L; else r is the rate
    everywhere. Without `scale_by_keep` the branch is not divided by 1 − r, and so adds more in evaluation than it did
    on average in training (timm has the same option). Rates are rounded to 1/65536.

    Shape: a branch's output (batch, …), any shape.

    Helps when: networks with shortcuts are deep (residual networks, transformers).
    Hurts when: there are few branches, each of which is needed; `DropConnect` is another thing.

    >>> import torch
    >>> DropPath(0.5).perturb(torch.ones(2, 3), (torch.tensor([[-32768], [32767]], dtype=torch.int16),))
    tensor([[0., 0., 0.],
            [2., 2., 2.]])
    >>> [DropPath(0.25).branch(depth).rate for depth in (0.5, 1.0)]
    [0.125, 0.25]

    Differs from the paper: each sample drops branches of its own, not the whole batch together; branches are scaled up
    in training, not down in evaluation.
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
        unit="share",
        doc="share of samples without the branch, at the last branch",
    )
    linear: bool = knob(default=True, doc="rates rise linearly with depth; else they are all the same")
    scale_by_keep: bool = knob(default=True, doc="divide what is kept by 1 − rate, so that the mean is kept")
    on: str = knob(
        default="",
        doc="modules whose output is added to a shortcut: globs on names (layers.*.mlp), types (Mlp); !word excludes; "
        "separated by blanks; empty: they are found in the network",
    )

    def branch(self, depth: float) -> Self:
        return self.with_values(rate=self.rate * depth) if self.linear else self

    def bits_shape(self, x: Tensor) -> Sequence[int]:
        return (len(x), *[1] * (x.ndim - 1))

    def perturb(self, x: Tensor, draw: Draw) -> Tensor:
        if self.scale_by_keep:
            return x * dropout_factors(draw[0], self.rate, x.dtype)
        return x * keep_mask(draw[0], quantize_rate(self.rate), x.dtype)
