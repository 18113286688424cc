"""Drawings that several techniques share, and blending by what was drawn."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from goodfit.stages.common import Draw

LEVELS = 1 << 16
"""How many values 16 bits have: rates of dropouts are rounded to a share of them."""


def beta(
    alpha: float,
    rows: int,
    generator: torch.Generator,
    dtype: torch.dtype,
    device: torch.device,
    *,
    folded: bool = False,
) -> Tensor:
    """Shares λ (rows,) ~ Beta(alpha, alpha), or the larger one of λ and 1 − λ if `folded`; 1 where alpha is 0.

    >>> beta(0.0, 2, torch.Generator(), torch.float32, torch.device("cpu"))
    tensor([1., 1.])
    """
    if alpha == 0:
        return torch.ones(rows, dtype=dtype, device=device)
    # Beta is the share of one of two Gamma(alpha) variables, which underflow at a small alpha. Their logarithms do
    # not: Gamma(alpha) = Gamma(alpha + 1) · U^(1 / alpha). `_standard_gamma` is the sampler that takes a generator.
    shape = torch.full((2, rows), alpha + 1.0, dtype=torch.float64, device=device)
    log_gamma = torch._standard_gamma(shape, generator=generator).log()
    log_u = torch.log1p(-torch.empty_like(shape).uniform_(generator=generator))
    odds = (log_gamma[0] - log_gamma[1]) + (log_u[0] - log_u[1]) / alpha
    return torch.sigmoid(odds.abs() if folded else odds).to(dtype)


def blend(values: Tensor, share: Tensor, partner: Tensor) -> Tensor:
    """Each row of `values` (batch, …), weighted by its share (batch,) or the common one (1,), with its partner's row.

    >>> blend(torch.tensor([[0.0], [4.0]]), torch.tensor([0.75]), torch.tensor([1, 0])).flatten()
    tensor([1., 3.])
    """
    weight = share.to(values.dtype).reshape(-1, *[1] * (values.ndim - 1))
    return weight * values + (1 - weight) * values[partner]


def chosen(probability: float, rows: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Which rows (rows,) something happens to, each with that probability: none at 0, all at 1."""
    return torch.empty(rows, dtype=torch.float32, device=device).uniform_(generator=generator) < probability


def boxes(space: Sequence[int], lengths: Tensor, generator: torch.Generator) -> Tensor:
    """One box per row, true inside: (rows, *space). Centres are anywhere; what lies over the border is cut off.

    Shape: lengths (rows, dimensions of space), whole numbers.

    >>> boxes([4], torch.tensor([[0], [9]]), torch.Generator().manual_seed(0))
    tensor([[False, False, False, False],
            [ True,  True,  True,  True]])
    """
    rows, device = len(lengths), lengths.device
    inside = torch.ones(rows, *space, dtype=torch.bool, device=device)
    for place, size in enumerate(space):
        centre = torch.randint(size, (rows,), generator=generator, device=device)
        start = centre - lengths[:, place] // 2
        end = start + lengths[:, place]
        at = torch.arange(size, device=device)
        within = (at >= start[:, None]) & (at < end[:, None])  # (rows, size)
        shape = [rows] + [size if other == place else 1 for other in range(len(space))]
        inside &= within.reshape(shape)
    return inside


def bits(shape: Sequence[int], device: torch.device, generator: torch.Generator) -> Tensor:
    """Evenly drawn 16-bit numbers of a shape, each a decision for `kept`: far cheaper than drawing it by its rate.

    >>> bits((3, 5), torch.device("cpu"), torch.Generator()).dtype
    torch.int16
    """
    drawn = torch.empty(words(shape), dtype=torch.int64, device=device)  # drawn by the word, used by the quarter
    return decisions(drawn.random_(-(2**63), None, generator=generator), shape)


def decisions(drawn: Tensor, shape: Sequence[int]) -> Tensor:
    """The decisions in words (…, words(shape)), each dimension in front on its own: (…, *shape)."""
    return drawn.view(torch.int16)[..., : math.prod(shape)].reshape((*drawn.shape[:-1], *shape))


class Decides(ABC):
    """Mixed into noises whose random numbers are the decisions of `bits` and nothing else: they can be drawn at once.

    Many calls of `bits` give the numbers that one call for all of them gives, on a CPU.
    """

    @abstractmethod
    def decisions(self, x: Tensor) -> Sequence[int]:
        """The shape of the decisions for what is like x."""

    def draw(self, x: Tensor, generator: torch.Generator) -> Draw:
        """One decision each."""
        return (bits(self.decisions(x), x.device, generator),)


def words(shape: Sequence[int]) -> int:
    """The 64-bit words that `bits` draws for a shape.

    >>> words((3, 3))
    3
    """
    return -(-math.prod(shape) // 4)


def rounded(rate: Any) -> Any:
    """A rate (a number, or a tensor of them) as 16 bits hold it: to the nearest 65536th, at most 65535 of them.

    >>> rounded(0.25), rounded(1e-6), rounded(1 - 1e-9)
    (0.25, 0.0, 0.9999847412109375)
    """
    if isinstance(rate, Tensor):
        wide = rate.to(torch.promote_types(rate.dtype, torch.float32))  # half precision ends before 65536
        return (wide * LEVELS).round().clamp(max=LEVELS - 1) / LEVELS
    return min(round(rate * LEVELS), LEVELS - 1) / LEVELS


def kept(drawn: Tensor, rate: Any, dtype: torch.dtype) -> Tensor:
    """1 for what stays where a share `rate`, one that `rounded` gave, is dropped, and 0 there; `drawn` is from `bits`.

    >>> kept(torch.tensor([-32768, -1, 0, 32767], dtype=torch.int16), 0.5, torch.float32)
    tensor([0., 0., 1., 1.])
    """
    # Floats are compared several times as fast as 16-bit integers; half precision does not hold all of these.
    wide = drawn.to(torch.promote_types(dtype, torch.float32))
    threshold = rate * LEVELS - LEVELS // 2
    if isinstance(threshold, Tensor):  # in a population, whose compilers fuse this, and which draws floats
        return (wide - (threshold - 1)).clamp(0.0, 1.0).to(dtype)
    return wide.ge_(threshold).to(dtype)


def inverted(drawn: Tensor, rate: Any, dtype: torch.dtype) -> Tensor:
    """Dropout's factors: 0 for the share `rate` and 1 / (1 − rate) for the rest, so that their mean is 1 (1 at rate 0).

    >>> inverted(torch.tensor([-32768, -1, 0, 32767], dtype=torch.int16), 0.5, torch.float64)
    tensor([0., 0., 2., 2.], dtype=torch.float64)
    """
    share = rounded(rate)
    return kept(drawn, share, dtype).mul_(1 / (1 - share))


def columns(share: Tensor, features: int, generator: torch.Generator) -> Tensor:
    """A random subset of the columns per row, each column with the row's probability: (rows, features), true inside.

    Sorting, for subsets of exact sizes, would cost more than a training step.

    >>> columns(torch.tensor([0.0, 1.0]), 3, torch.Generator())
    tensor([[False, False, False],
            [ True,  True,  True]])
    """
    noise = torch.empty(len(share), features, dtype=torch.float32, device=share.device).uniform_(generator=generator)
    return noise < share[:, None]
