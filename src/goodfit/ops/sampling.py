"""Random draws that several techniques share. The generator is always an argument."""

from __future__ import annotations

import torch
from torch import Tensor


def normal_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Draw from N(0, 1) a tensor of x's shape, dtype and device: the same numbers whatever x's memory format."""
    return torch.empty(x.shape, dtype=x.dtype, device=x.device).normal_(generator=generator)


def signed_uniform(rows: int, count: int, generator: torch.Generator, device: torch.device) -> tuple[Tensor, ...]:
    """Draw `count` numbers per sample from U[−1, 1): a tuple of `count` tensors (rows,)."""
    noise = torch.empty(count, rows, dtype=torch.float32, device=device)
    return tuple(noise.uniform_(-1.0, 1.0, generator=generator).unbind(0))


def bernoulli(probability: float, rows: int, generator: torch.Generator, device: torch.device) -> Tensor:
    """Draw a boolean mask (rows,), each entry true with this probability: none at 0, all at 1."""
    return torch.empty(rows, dtype=torch.float32, device=device).uniform_(generator=generator) < probability


def symmetric_beta(
    alpha: float,
    rows: int,
    generator: torch.Generator,
    dtype: torch.dtype,
    device: torch.device,
    *,
    folded: bool = False,
) -> Tensor:
    """Draw λ (rows,) from Beta(alpha, alpha). At alpha = 0, λ is 1.

    Args:
        alpha: the shape parameter of the distribution, at least 0.
        rows: how many values to draw.
        generator: the source of random numbers.
        dtype: of the result.
        device: of the result; the generator must be on it.
        folded: return max(λ, 1 − λ) instead of λ.

    >>> symmetric_beta(0.0, 2, torch.Generator(), torch.float32, torch.device("cpu"))
    tensor([1., 1.])
    """
    if alpha == 0:
        return torch.ones(rows, dtype=dtype, device=device)
    # λ = G1 / (G1 + G2) for two Gamma(alpha) variables. These underflow at small alpha, but their logarithms do not:
    # Gamma(alpha) = Gamma(alpha + 1) · U^(1 / alpha). `_standard_gamma` is the sampler that accepts a generator.
    shape = torch.full((2, rows), alpha + 1.0, dtype=torch.float64, device=device)
    log_gamma = torch._standard_gamma(shape, generator=generator).log()
    log_u = torch.log1p(-torch.empty_like(shape).uniform_(generator=generator))
    odds = (log_gamma[0] - log_gamma[1]) + (log_u[0] - log_u[1]) / alpha
    return torch.sigmoid(odds.abs() if folded else odds).to(dtype)
