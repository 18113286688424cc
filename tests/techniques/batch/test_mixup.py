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


def lambdas(alpha: float, rows: int = 20_000, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    x = torch.zeros(rows, 1, dtype=dtype)
    return MixUp(alpha).draw(x, x, torch.Generator().manual_seed(0))[0]


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0, 4.0])
def test_lambda_is_beta_folded_at_one_half(alpha: float) -> None:
    lam = lambdas(alpha).numpy()
    assert lam.min() >= 0.5
    assert lam.max() <= 1.0
    # Up to less than 1, because values near 1 are rounded to 1. The density is the sum of those at λ and at 1 − λ.
    below = np.linspace(0.5, 0.9999, 300)
    empirical = (lam[:, None] <= below).mean(0)
    assert np.abs(empirical - (2 * stats.beta(alpha, alpha).cdf(below) - 1)).max() < 1.95 / np.sqrt(len(lam))  # p 0.1 %


@pytest.mark.parametrize("alpha", [1e-12, 1e-6, 1e-3, 1e-2])
def test_small_alpha_hardly_mixes(alpha: float) -> None:
    for dtype in (torch.float32, torch.float64):
        lam = lambdas(alpha, dtype=dtype)
        assert bool(torch.isfinite(lam).all())
        # P(λ < 0.9) of Beta(α, α), folded, is 2 α ln 9 to first order.
        assert float((lam < 0.9).double().mean()) <= 2 * alpha * np.log(9) + 0.005


def test_large_alpha_mixes_in_equal_parts() -> None:
    assert float(lambdas(1e6).max()) < 0.51


def test_blend_with_partners_by_hand() -> None:
    x = torch.tensor([[0.0, 8.0], [4.0, 0.0], [1.0, 1.0]])
    draw = torch.tensor([0.75, 0.5, 1.0]), torch.tensor([1, 2, 0])
    mixed, y = MixUp(0.2).transform_batch(x, torch.eye(3), draw, TABLE)
    assert mixed.tolist() == [[1.0, 6.0], [2.5, 0.5], [1.0, 1.0]]
    assert y.tolist() == [[0.75, 0.25, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]]


def test_labels_sum_to_one_and_images_keep_their_shape() -> None:
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(32, 1, 4, 5, generator=g), torch.eye(4).repeat(8, 1)
    mixup = MixUp(1.0)
    draw = mixup.draw(x, y, g)
    mixed, soft = mixup.transform_batch(x, y, draw, TABLE)
    assert mixed.shape == x.shape
    assert mixed.dtype == soft.dtype == torch.float32
    torch.testing.assert_close(soft.sum(1), torch.ones(32))
    assert sorted(draw[1].tolist()) == list(range(32))
    lam, partner = draw
    torch.testing.assert_close(mixed[5], lam[5] * x[5] + (1 - lam[5]) * x[partner[5]])
    assert len(set(lam.tolist())) == 32  # one draw per sample, not per batch


def test_regression_targets_are_blended(regression_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    settings = Training(epochs=2, batch_size=16)
    plain, run = (
        fit(make_net(1), regression_split, "", settings),
        fit(make_net(1), regression_split, MixUp(1.0), settings),
    )
    assert not torch.equal(plain.last["0.weight"], run.last["0.weight"])
    assert run.history["batch_loss"][0] < plain.history["batch_loss"][0]  # blended targets have a smaller variance


def test_sampled_categories_by_hand(mixed_inputs: Inputs, make_rows: Callable[..., Tensor]) -> None:
    """Compares with a loop over rows and columns that uses the same draw."""
    x, y = make_rows(60), torch.eye(60, dtype=torch.float64)
    lam, partner, noise = MixUp(1.0).draw(x, y, torch.Generator().manual_seed(0))
    expected = np.empty(x.shape)
    for row in range(60):
        a, b, weight = x[row].numpy(), x[partner[row]].numpy(), float(lam[row])
        expected[row] = weight * a + (1 - weight) * b
        for block in ([2], [3, 4, 5], [7, 8, 9, 10]):
            expected[row, block] = (a if float(noise[row, block[0]]) < weight else b)[block]
    augmented, soft = MixUp(1.0).transform_batch(x, y, (lam, partner, noise), mixed_inputs)
    np.testing.assert_allclose(augmented.numpy(), expected, rtol=0, atol=1e-15)
    torch.testing.assert_close(
        soft[torch.arange(60), partner], (1 - lam).where(partner != torch.arange(60), lam * 0 + 1)
    )


def test_categories_stay_valid_and_equal_the_blend_on_average(
    mixed_inputs: Inputs, make_rows: Callable[..., Tensor], categories_valid: Callable[..., bool]
) -> None:
    x = make_rows(2).repeat(20_000, 1)
    y = torch.zeros(len(x), 1, dtype=torch.float64)
    lam = torch.full((len(x),), 0.7, dtype=torch.float64)
    _, _, noise = MixUp(1.0).draw(x, y, torch.Generator().manual_seed(0))
    draw = lam, torch.arange(len(x)) ^ 1, noise
    drawn, blended = (
        MixUp(1.0, categories=mode).transform_batch(x, y, draw[:k], mixed_inputs)[0]
        for mode, k in (("draw", 3), ("blend", 2))
    )
    assert categories_valid(drawn)
    assert not categories_valid(blended, none=True)
    assert torch.equal(drawn[:, [0, 1, 6]], blended[:, [0, 1, 6]])
    for row in range(2):  # the two distinct rows
        torch.testing.assert_close(drawn[row::2].mean(0), blended[row], rtol=0, atol=4 * (0.21 / 20_000) ** 0.5)


def test_neutral_is_the_identity_with_categories(mixed_inputs: Inputs, make_rows: Callable[..., Tensor]) -> None:
    for dtype in (torch.float32, torch.float64):
        x, y, off = make_rows(dtype=dtype), torch.randn(400, 2, dtype=dtype), MixUp(0.0)
        augmented, targets = off.transform_batch(x, y, off.draw(x, y, torch.Generator().manual_seed(0)), mixed_inputs)
        assert torch.equal(augmented, x)
        assert torch.equal(targets, y)
