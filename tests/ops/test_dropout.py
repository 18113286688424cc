from __future__ import annotations

import pytest
import torch
from scipy import stats
from torch import Tensor

from goodfit.ops.dropout import dropout_factors, keep_mask, quantize_rate, random_bits

CPU = torch.device("cpu")
EVERY = torch.arange(-(2**15), 2**15).to(torch.int16)  # each value once: shares of it are exact


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_bits_are_uniform_and_independent() -> None:
    drawn = random_bits((400, 1000), CPU, generator())
    for byte in drawn.view(torch.uint8).flatten()[::2], drawn.view(torch.uint8).flatten()[1::2]:
        assert stats.chisquare(torch.bincount(byte.long(), minlength=256)).pvalue > 0.001
    assert stats.chisquare(torch.bincount(drawn.flatten().int() + 2**15, minlength=2**16)).pvalue > 0.001
    values = drawn.double() / 2**15
    neighbours = (values[:, 1:] * values[:, :-1]).mean(), (values[1:] * values[:-1]).mean()
    assert all(abs(float(product)) < 4 / 3 / 400_000**0.5 for product in neighbours)  # each value has variance 1/3


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (5,), (4,), (3, 5), (2, 1, 7)], ids=str)
def test_any_shape_and_the_same_bits_for_the_same_seed(shape: tuple[int, ...]) -> None:
    drawn = random_bits(shape, CPU, generator())
    assert (drawn.shape, drawn.dtype) == (shape, torch.int16)
    assert torch.equal(drawn, random_bits(shape, CPU, generator()))
    drawn.add_(1)  # does not share memory


@pytest.mark.parametrize("rate", [0.0, 1e-9, 1 / 65536, 0.1, 0.25, 0.5, 0.9, 65535 / 65536, 1 - 1e-12])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_dropped_share_is_the_quantized_rate_and_the_mean_is_one(rate: float, dtype: torch.dtype) -> None:
    count = min(round(rate * 65536), 65535)
    assert quantize_rate(rate) == count / 65536
    for value in (rate, torch.tensor(rate, dtype=dtype)):
        assert float(quantize_rate(value)) == count / 65536
        assert int((keep_mask(EVERY, quantize_rate(value), dtype) == 0).sum()) == count
        factors = dropout_factors(EVERY, value, dtype)
        assert factors.dtype == dtype
        assert float(factors.double().mean()) == pytest.approx(1, rel=1e-15 if dtype == torch.float64 else 1e-7)
        assert int((factors == 0).sum()) == count


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64], ids=str)
def test_dtypes_are_kept_and_rate_zero_is_exactly_one(dtype: torch.dtype) -> None:
    for rate in (0.0, torch.tensor(0.0), torch.tensor(0.0, dtype=dtype)):
        assert torch.equal(dropout_factors(EVERY, rate, dtype), torch.ones(2**16, dtype=dtype))
    for rate in (0.75, torch.tensor(0.75), torch.tensor(0.75, dtype=dtype)):
        factors = dropout_factors(EVERY, rate, dtype)
        assert factors.dtype == dtype
        assert factors.unique().tolist() == [0.0, 4.0]


def test_one_rate_per_member() -> None:
    rates = [0.0, 0.3, 0.7]
    drawn = torch.stack([random_bits((6, 5), CPU, generator(i)) for i in range(3)])

    def factors(drawn: Tensor, rate: Tensor) -> Tensor:
        return dropout_factors(drawn, rate, torch.float64)

    each = torch.func.vmap(factors)(drawn, torch.tensor(rates, dtype=torch.float64))
    assert torch.equal(
        each, torch.stack([dropout_factors(d, r, torch.float64) for d, r in zip(drawn, rates, strict=True)])
    )
