"""Dropout masks from 16-bit random numbers.

Drawing 16 bits per unit is several times as fast as drawing a float. One 64-bit word holds the bits of four units.
Rates are rounded to multiples of 1/65536.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

LEVELS = 1 << 16
"""The number of values that 16 bits can have."""


def random_bits(shape: Sequence[int], device: torch.device, generator: torch.Generator) -> Tensor:
    """Draw uniform 16-bit integers of this shape, for `keep_mask` and `dropout_factors`.

    On a CPU, several calls give the same numbers as one call for all of their words.

    >>> random_bits((3, 5), torch.device("cpu"), torch.Generator()).dtype
    torch.int16
    """
    words = torch.empty(word_count(shape), dtype=torch.int64, device=device)
    return unpack_bits(words.random_(-(2**63), None, generator=generator), shape)


def unpack_bits(words: Tensor, shape: Sequence[int]) -> Tensor:
    """View 64-bit words as 16-bit integers: (…, word_count(shape)) → (…, *shape)."""
    return words.view(torch.int16)[..., : math.prod(shape)].reshape((*words.shape[:-1], *shape))


def word_count(shape: Sequence[int]) -> int:
    """How many 64-bit words `random_bits` draws for a shape.

    >>> word_count((3, 3))
    3
    """
    return -(-math.prod(shape) // 4)


def quantize_rate(rate: Any) -> Any:
    """Round a rate (a number or a tensor) to the nearest multiple of 1/65536, at most 65535/65536.

    >>> quantize_rate(0.25), quantize_rate(1e-6), quantize_rate(1 - 1e-9)
    (0.25, 0.0, 0.9999847412109375)
    """
    if isinstance(rate, Tensor):
        wide = rate.to(torch.promote_types(rate.dtype, torch.float32))  # half precision cannot represent 65536
        return (wide * LEVELS).round().clamp(max=LEVELS - 1) / LEVELS
    return min(round(rate * LEVELS), LEVELS - 1) / LEVELS


def keep_mask(bits: Tensor, rate: Any, dtype: torch.dtype) -> Tensor:
    """0 for the fraction `rate` of the units, which are dropped, and 1 for the others.

    Args:
        bits: from `random_bits`.
        rate: the fraction to drop, rounded by `quantize_rate`.
        dtype: of the mask.

    >>> keep_mask(torch.tensor([-32768, -1, 0, 32767], dtype=torch.int16), 0.5, torch.float32)
    tensor([0., 0., 1., 1.])
    """
    # Comparing floats is several times as fast as comparing 16-bit integers. Half precision cannot hold all of these.
    wide = bits.to(torch.promote_types(dtype, torch.float32))
    threshold = rate * LEVELS - LEVELS // 2
    if isinstance(threshold, Tensor):  # in a population, whose compiler fuses this expression
        return (wide - (threshold - 1)).clamp(0.0, 1.0).to(dtype)
    return wide.ge_(threshold).to(dtype)


def dropout_factors(bits: Tensor, rate: Any, dtype: torch.dtype) -> Tensor:
    """The factors of inverted dropout: 0 for the fraction `rate`, 1 / (1 − rate) for the others. Their mean is 1.

    >>> dropout_factors(torch.tensor([-32768, -1, 0, 32767], dtype=torch.int16), 0.5, torch.float64)
    tensor([0., 0., 2., 2.], dtype=torch.float64)
    """
    share = quantize_rate(rate)
    return keep_mask(bits, share, dtype).mul_(1 / (1 - share))
