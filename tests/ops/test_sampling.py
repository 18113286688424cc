from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from goodfit.ops.sampling import bernoulli, signed_uniform, symmetric_beta

CPU = torch.device("cpu")


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_beta_distribution(alpha: float) -> None:
    share = symmetric_beta(alpha, 20_000, generator(), torch.float64, CPU)
    assert stats.kstest(share.numpy(), stats.beta(alpha, alpha).cdf).pvalue > 0.001
    folded = symmetric_beta(alpha, 20_000, generator(), torch.float64, CPU, folded=True)
    torch.testing.assert_close(folded, torch.maximum(share, 1 - share), rtol=1e-12, atol=1e-12)


def test_beta_has_the_requested_dtype_and_the_same_values_in_each() -> None:
    one, two = (symmetric_beta(0.5, 50, generator(), dtype, CPU) for dtype in (torch.float32, torch.float64))
    assert (one.dtype, two.dtype) == (torch.float32, torch.float64)
    torch.testing.assert_close(one.double(), two, rtol=1e-6, atol=1e-7)


def test_alpha_zero_gives_ones_and_draws_nothing() -> None:
    g = generator()
    before = g.get_state()
    assert symmetric_beta(0.0, 3, g, torch.float64, CPU).tolist() == [1.0, 1.0, 1.0]
    assert torch.equal(g.get_state(), before)


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_bernoulli_share(probability: float) -> None:
    share = float(bernoulli(probability, 20_000, generator(), CPU).double().mean())
    assert share == pytest.approx(probability, abs=4 * (probability * (1 - probability) / 20_000) ** 0.5)


def test_signed_uniform_is_uniform_and_independent() -> None:
    one, other = signed_uniform(4000, 2, torch.Generator().manual_seed(0), torch.device("cpu"))
    for drawing in (one, other):
        assert float(drawing.min()) >= -1
        assert float(drawing.max()) < 1
        assert abs(float(drawing.mean())) < 4 * (1 / 3 / 4000) ** 0.5
    assert abs(float(np.corrcoef(one, other)[0, 1])) < 4 / 4000**0.5
    assert one.unique().numel() > 3900
