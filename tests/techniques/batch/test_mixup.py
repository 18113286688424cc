from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn

from goodfit.data import Inputs, Split
from goodfit.data.inputs import TABLE
from goodfit.techniques import MixUp
from goodfit.train.config import Training
from goodfit.train.fit import fit


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
    mixed, y = MixUp(0.2).transform_batch(x, torch.eye(3), draw, TABLE)
    assert mixed.tolist() == [[1.0, 6.0], [2.5, 0.5], [1.0, 1.0]]
    assert y.tolist() == [[0.75, 0.25, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]]


def test_label_mass_is_one_and_images_keep_their_shape() -> None:
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(32, 1, 4, 5, generator=g), torch.eye(4).repeat(8, 1)
    mixup = MixUp(1.0)
    draw = mixup.draw(x, y, g)
    mixed, soft = mixup.transform_batch(x, y, draw, TABLE)
    assert mixed.shape == x.shape
    assert mixed.dtype == soft.dtype == torch.float32
    torch.testing.assert_close(soft.sum(1), torch.ones(32))
    assert sorted(draw[1].tolist()) == list(range(32))
    share, partner = draw
    torch.testing.assert_close(mixed[5], share[5] * x[5] + (1 - share[5]) * x[partner[5]])
    assert len(set(share.tolist())) == 32  # one draw per row, not per batch


def test_numbers_are_blended_too(regression_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    settings = Training(epochs=2, batch_size=16)
    plain, run = (
        fit(make_net(1), regression_split, "", settings),
        fit(make_net(1), regression_split, MixUp(1.0), settings),
    )
    assert not torch.equal(plain.last["0.weight"], run.last["0.weight"])
    assert run.history["batch_loss"][0] < plain.history["batch_loss"][0]  # blended targets spread less


def test_categories_are_drawn_by_hand(mixed: Inputs, rows: Callable[..., Tensor]) -> None:
    """Column for column in plain Python, from the same draw."""
    x, y = rows(60), torch.eye(60, dtype=torch.float64)
    share, partner, noise = MixUp(1.0).draw(x, y, torch.Generator().manual_seed(0))
    wanted = np.empty(x.shape)
    for row in range(60):
        a, b, part = x[row].numpy(), x[partner[row]].numpy(), float(share[row])
        wanted[row] = part * a + (1 - part) * b
        for block in ([2], [3, 4, 5], [7, 8, 9, 10]):
            wanted[row, block] = (a if float(noise[row, block[0]]) < part else b)[block]
    found, soft = MixUp(1.0).transform_batch(x, y, (share, partner, noise), mixed)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=0, atol=1e-15)
    torch.testing.assert_close(
        soft[torch.arange(60), partner], (1 - share).where(partner != torch.arange(60), share * 0 + 1)
    )


def test_categories_stay_whole_and_are_the_blend_on_average(
    mixed: Inputs, rows: Callable[..., Tensor], whole: Callable[..., bool]
) -> None:
    x = rows(2).repeat(20_000, 1)
    y = torch.zeros(len(x), 1, dtype=torch.float64)
    share = torch.full((len(x),), 0.7, dtype=torch.float64)
    _, _, noise = MixUp(1.0).draw(x, y, torch.Generator().manual_seed(0))
    draw = share, torch.arange(len(x)) ^ 1, noise
    drawn, blended = (
        MixUp(1.0, categories=how).transform_batch(x, y, draw[:k], mixed)[0] for how, k in (("draw", 3), ("blend", 2))
    )
    assert whole(drawn)
    assert not whole(blended, none=True)
    assert torch.equal(drawn[:, [0, 1, 6]], blended[:, [0, 1, 6]])
    for kind in range(2):  # the two rows that there are
        torch.testing.assert_close(drawn[kind::2].mean(0), blended[kind], rtol=0, atol=4 * (0.21 / 20_000) ** 0.5)


def test_neutral_is_the_identity_beside_categories(mixed: Inputs, rows: Callable[..., Tensor]) -> None:
    for dtype in (torch.float32, torch.float64):
        x, y, off = rows(dtype=dtype), torch.randn(400, 2, dtype=dtype), MixUp(0.0)
        found, targets = off.transform_batch(x, y, off.draw(x, y, torch.Generator().manual_seed(0)), mixed)
        assert torch.equal(found, x)
        assert torch.equal(targets, y)
