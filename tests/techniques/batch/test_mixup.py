from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from goodfit.data import Split
from goodfit.techniques import MixUp
from goodfit.train import Training, fit


def shares(alpha: float, rows: int = 20_000, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    x = torch.zeros(rows, 1, dtype=dtype)
    return MixUp(alpha).draw(x, x, torch.Generator().manual_seed(0))[0]


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 4.0])
def test_shares_are_beta_folded_at_one_half(alpha: float) -> None:
    share = shares(alpha).numpy()
    assert share.min() >= 0.5
    assert share.max() <= 1.0
    # Not up to 1, where shares are rounded to 1; the density at λ and at 1 − λ.
    below = np.linspace(0.5, 0.9999, 300)
    drawn = (share[:, None] <= below).mean(0)
    assert np.abs(drawn - (2 * stats.beta(alpha, alpha).cdf(below) - 1)).max() < 1.95 / np.sqrt(len(share))  # p 0.1 %


@pytest.mark.parametrize("alpha", [1e-12, 1e-6, 1e-3, 1e-2])
def test_small_alpha_hardly_mixes(alpha: float) -> None:
    for dtype in (torch.float32, torch.float64):
        share = shares(alpha, dtype=dtype)
        assert bool(torch.isfinite(share).all())
        # P(λ < 0.9) of Beta(α, α), folded, is 2 α ln 9 to first order.
        assert float((share < 0.9).double().mean()) <= 2 * alpha * np.log(9) + 0.005


def test_large_alpha_takes_the_middle() -> None:
    assert float(shares(1e6).max()) < 0.51


def test_rows_blend_with_partners_by_hand() -> None:
    x = torch.tensor([[0.0, 8.0], [4.0, 0.0], [1.0, 1.0]])
    draw = torch.tensor([0.75, 0.5, 1.0]), torch.tensor([1, 2, 0])
    mixed, y = MixUp(0.2).batch(x, torch.eye(3), draw)
    assert mixed.tolist() == [[1.0, 6.0], [2.5, 0.5], [1.0, 1.0]]
    assert y.tolist() == [[0.75, 0.25, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]]


def test_label_mass_is_one_and_images_keep_their_shape() -> None:
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(32, 1, 4, 5, generator=g), torch.eye(4).repeat(8, 1)
    mixup = MixUp(1.0)
    draw = mixup.draw(x, y, g)
    mixed, soft = mixup.batch(x, y, draw)
    assert mixed.shape == x.shape
    assert mixed.dtype == soft.dtype == torch.float32
    torch.testing.assert_close(soft.sum(1), torch.ones(32))
    assert sorted(draw[1].tolist()) == list(range(32))
    share, partner = draw
    torch.testing.assert_close(mixed[5], share[5] * x[5] + (1 - share[5]) * x[partner[5]])
    assert len(set(share.tolist())) == 32  # one draw per row, not per batch


def test_numbers_are_blended_too(numbers: Split, net: Callable[..., nn.Sequential]) -> None:
    settings = Training(epochs=2, batch_size=16)
    plain, run = fit(net(1), numbers, "", settings), fit(net(1), numbers, MixUp(1.0), settings)
    assert not torch.equal(plain.last["0.weight"], run.last["0.weight"])
    assert run.history["batch_loss"][0] < plain.history["batch_loss"][0]  # blended targets spread less
