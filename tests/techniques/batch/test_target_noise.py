from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from scipy import stats
from torch import nn
from torch.func import vmap

from goodfit.data import Split
from goodfit.data.inputs import TABLE
from goodfit.errors import InputError
from goodfit.techniques import TargetNoise
from goodfit.train.config import Training
from goodfit.train.fit import fit


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_noise_is_normal_with_the_given_stddev() -> None:
    y = torch.randn(10_000, 2, generator=generator(1), dtype=torch.float64)
    noise = TargetNoise(0.3)
    x = torch.zeros(10_000, 1)
    same, noisy = noise.transform_batch(x, y, noise.draw(x, y, generator()), TABLE)
    assert same is x
    added = (noisy - y) / 0.3
    assert stats.kstest(added.flatten().numpy(), stats.norm.cdf).pvalue > 0.001
    assert abs(float(torch.corrcoef(added.T)[0, 1])) < 0.04  # independent per output


def test_adds_its_variance_to_the_expected_squared_loss() -> None:
    y, prediction = torch.full((40_000, 1), 2.0, dtype=torch.float64), 1.5
    noise = TargetNoise(0.5)
    noisy = noise.transform_batch(y, y, noise.draw(y, y, generator()), TABLE)[1]
    # (0.5 + 0.5 z)²: mean 0.5² + 0.5², standard deviation √(2 · 0.5⁴ + 4 · 0.5⁴) = 0.61
    assert float((noisy - prediction).square().mean()) == pytest.approx(0.5, abs=4 * 0.61 / 200)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_neutral_is_the_identity_and_dtype_is_kept(dtype: torch.dtype) -> None:
    y = torch.randn(50, 1, generator=generator(), dtype=dtype)
    off = TargetNoise(0.0)
    assert torch.equal(off.transform_batch(y, y, off.draw(y, y, generator()), TABLE)[1], y)
    assert TargetNoise(0.1).transform_batch(y, y, off.draw(y, y, generator()), TABLE)[1].dtype == dtype


def test_vmap_over_strengths() -> None:
    y, z = torch.zeros(4, 1), torch.tensor([[1.0], [-1.0], [2.0], [0.0]])

    def noisy(stddev: torch.Tensor) -> torch.Tensor:
        return TargetNoise().with_values(stddev=stddev).transform_batch(y, y, (z,), TABLE)[1]

    assert torch.equal(vmap(noisy)(torch.tensor([0.0, 0.5])), torch.stack([y, 0.5 * z]))


def test_in_training(regression_split: Split, three_class_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    settings = Training(epochs=2, batch_size=16)
    plain, run = (
        fit(make_net(1), regression_split, "", settings),
        fit(make_net(1), regression_split, TargetNoise(0.5), settings),
    )
    assert not torch.equal(plain.last["0.weight"], run.last["0.weight"])
    with pytest.raises(InputError, match="TargetNoise: it acts on numbers"):
        fit(make_net(), three_class_split, TargetNoise())
