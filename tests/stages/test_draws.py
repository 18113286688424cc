from __future__ import annotations

from collections import Counter

import pytest
import torch
from scipy import stats
from torch import Tensor

from goodfit.stages.draws import beta, bits, blend, boxes, chosen, columns, inverted, kept, rounded

CPU = torch.device("cpu")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_shares_are_beta(alpha: float) -> None:
    share = beta(alpha, 20_000, generator(), torch.float64, CPU)
    assert stats.kstest(share.numpy(), stats.beta(alpha, alpha).cdf).pvalue > 0.001
    folded = beta(alpha, 20_000, generator(), torch.float64, CPU, folded=True)
    torch.testing.assert_close(folded, torch.maximum(share, 1 - share), rtol=1e-12, atol=1e-12)


def test_shares_have_the_asked_dtype_and_are_the_same_in_any() -> None:
    one, two = (beta(0.5, 50, generator(), dtype, CPU) for dtype in (torch.float32, torch.float64))
    assert (one.dtype, two.dtype) == (torch.float32, torch.float64)
    torch.testing.assert_close(one.double(), two, rtol=1e-6, atol=1e-7)


def test_alpha_zero_keeps_everything_and_draws_nothing() -> None:
    g = generator()
    before = g.get_state()
    assert beta(0.0, 3, g, torch.float64, CPU).tolist() == [1.0, 1.0, 1.0]
    assert torch.equal(g.get_state(), before)


def test_blend_by_hand() -> None:
    values, partner = torch.tensor([[0.0, 8.0], [4.0, 0.0], [1.0, 1.0]]), torch.tensor([1, 2, 0])
    assert blend(values, torch.tensor([0.75, 0.5, 1.0]), partner).tolist() == [[1.0, 6.0], [2.5, 0.5], [1.0, 1.0]]
    assert blend(values, torch.tensor([0.5]), partner).tolist() == [[2.0, 4.0], [2.5, 0.5], [0.5, 4.5]]


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_chosen_rows(probability: float) -> None:
    share = float(chosen(probability, 20_000, generator(), CPU).double().mean())
    assert share == pytest.approx(probability, abs=4 * (probability * (1 - probability) / 20_000) ** 0.5)


def test_boxes_in_one_dimension_by_hand() -> None:
    """Five places, length 2: the centre c is any of them, and covers c − 1 and c."""
    masks = boxes([5], torch.full((5000, 1), 2), generator())
    found = Counter(tuple(torch.nonzero(row).flatten().tolist()) for row in masks)
    assert set(found) == {(0,), (0, 1), (1, 2), (2, 3), (3, 4)}
    assert stats.chisquare(list(found.values())).pvalue > 0.001


def test_boxes_are_boxes_of_their_lengths() -> None:
    lengths = torch.randint(0, 6, (300, 3), generator=generator(1))
    masks = boxes([4, 5, 9], lengths, generator())
    assert masks.shape == (300, 4, 5, 9)
    for mask, sides in zip(masks, lengths.tolist(), strict=True):
        ends = [mask.any(dim=[d for d in range(3) if d != kept]) for kept in range(3)]
        assert torch.equal(mask, ends[0][:, None, None] & ends[1][:, None] & ends[2])
        for end, side in zip(ends, sides, strict=True):
            at = end.nonzero().flatten()
            assert len(at) == 0 or bool((at.diff() == 1).all())
            touches = bool(end[0] | end[-1])
            assert len(at) == 0 if 0 in sides else len(at) <= side and (touches or len(at) == side)


def test_columns_are_drawn_each_with_its_row_s_probability() -> None:
    share = torch.tensor([0.0, 0.25, 0.5, 1.0]).repeat(2000)
    masks = columns(share, 6, generator()).double()
    for value in (0.0, 0.25, 0.5, 1.0):
        mine = masks[share == value]
        assert float((mine.mean(0) - value).abs().max()) <= 4 * (value * (1 - value) / 2000) ** 0.5
        both = (mine[:, 0] * mine[:, 1]).mean()
        assert float(both) == pytest.approx(value**2, abs=4 * (1 / 4 / 2000) ** 0.5)  # columns are independent


# ---- decisions of 16 bits ---------------------------------------------------------------------------

EVERY = torch.arange(-(2**15), 2**15).to(torch.int16)  # each value once: shares of it are exact


def test_bits_are_even_and_independent() -> None:
    drawn = bits((400, 1000), CPU, generator())
    for byte in drawn.view(torch.uint8).flatten()[::2], drawn.view(torch.uint8).flatten()[1::2]:
        assert stats.chisquare(torch.bincount(byte.long(), minlength=256)).pvalue > 0.001
    assert stats.chisquare(torch.bincount(drawn.flatten().int() + 2**15, minlength=2**16)).pvalue > 0.001
    values = drawn.double() / 2**15
    neighbours = (values[:, 1:] * values[:, :-1]).mean(), (values[1:] * values[:-1]).mean()
    assert all(abs(float(product)) < 4 / 3 / 400_000**0.5 for product in neighbours)  # each value has variance 1/3


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (1,), (5,), (4,), (3, 5), (2, 1, 7)], ids=str)
def test_bits_have_any_shape_and_are_the_seed_s_own(shape: tuple[int, ...]) -> None:
    drawn = bits(shape, CPU, generator())
    assert (drawn.shape, drawn.dtype) == (shape, torch.int16)
    assert torch.equal(drawn, bits(shape, CPU, generator()))
    drawn.add_(1)  # memory of its own


@pytest.mark.parametrize("rate", [0.0, 1e-9, 1 / 65536, 0.1, 0.25, 0.5, 0.9, 65535 / 65536, 1 - 1e-12])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_share_is_the_rounded_rate_and_the_mean_is_kept(rate: float, dtype: torch.dtype) -> None:
    count = min(round(rate * 65536), 65535)
    assert rounded(rate) == count / 65536
    for given in (rate, torch.tensor(rate, dtype=dtype)):
        assert float(rounded(given)) == count / 65536
        assert int((kept(EVERY, rounded(given), dtype) == 0).sum()) == count
        factors = inverted(EVERY, given, dtype)
        assert factors.dtype == dtype
        assert float(factors.double().mean()) == pytest.approx(1, rel=1e-15 if dtype == torch.float64 else 1e-7)
        assert int((factors == 0).sum()) == count


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32, torch.float64], ids=str)
def test_dtypes_are_kept_and_rate_zero_is_exactly_one(dtype: torch.dtype) -> None:
    for rate in (0.0, torch.tensor(0.0), torch.tensor(0.0, dtype=dtype)):
        assert torch.equal(inverted(EVERY, rate, dtype), torch.ones(2**16, dtype=dtype))
    for rate in (0.75, torch.tensor(0.75), torch.tensor(0.75, dtype=dtype)):
        factors = inverted(EVERY, rate, dtype)
        assert factors.dtype == dtype
        assert factors.unique().tolist() == [0.0, 4.0]


def test_each_member_has_its_own_rate() -> None:
    rates = [0.0, 0.3, 0.7]
    drawn = torch.stack([bits((6, 5), CPU, generator(i)) for i in range(3)])

    def factors(drawn: Tensor, rate: Tensor) -> Tensor:
        return inverted(drawn, rate, torch.float64)

    each = torch.func.vmap(factors)(drawn, torch.tensor(rates, dtype=torch.float64))
    assert torch.equal(each, torch.stack([inverted(d, r, torch.float64) for d, r in zip(drawn, rates, strict=True)]))
