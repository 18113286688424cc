from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.func import vmap

from goodfit.data import Inputs, Split
from goodfit.data.inputs import TABLE
from goodfit.techniques import CutMix
from goodfit.train.config import Training
from goodfit.train.fit import fit


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_image_by_hand() -> None:
    x = torch.stack([torch.zeros(2, 2, 4), torch.ones(2, 2, 4)])
    inside = torch.zeros(2, 1, 2, 4, dtype=torch.bool)
    inside[0, 0, 1, 2:] = True  # two of eight pixels, in both channels
    mixed, y = CutMix().transform_batch(x, torch.eye(3)[:2], (inside, torch.tensor([1, 0])), TABLE)
    assert mixed[0].tolist() == [[[0, 0, 0, 0], [0, 0, 1, 1]]] * 2
    assert torch.equal(mixed[1], x[1])
    assert y.tolist() == [[0.75, 0.25, 0.0], [0.0, 1.0, 0.0]]


@pytest.mark.parametrize("shape", [(3, 8, 12), (1, 30), (2, 4, 5, 6), (20,)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_targets_are_mixed_by_exact_area(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    rows, g = 64, generator()
    x = torch.arange(rows, dtype=dtype).reshape(-1, *[1] * len(shape)).expand(rows, *shape).contiguous()
    y = torch.eye(rows, dtype=dtype)
    cutmix = CutMix(alpha=1.0)
    draw = cutmix.draw(x, y, g)
    mixed, soft = cutmix.transform_batch(x, y, draw, TABLE)
    assert mixed.shape == x.shape
    assert mixed.dtype == soft.dtype == dtype
    torch.testing.assert_close(soft.sum(1), torch.ones(rows, dtype=dtype))
    for row in range(rows):
        partner = int(draw[1][row])
        assert set(mixed[row].unique().tolist()) <= {float(row), float(partner)}
        if partner != row:
            area = (mixed[row] == partner).to(dtype).mean()
            torch.testing.assert_close(soft[row, partner], area)
    assert sorted(draw[1].tolist()) == list(range(rows))
    assert len({tuple(row.flatten().tolist()) for row in draw[0]}) > rows / 2  # one draw per sample, not per batch


def test_moments_of_the_fraction_of_columns() -> None:
    x = torch.zeros(20_000, 500)
    fraction = CutMix(0.3).draw(x, x, generator())[0].double().mean(1)
    assert float(fraction.mean()) == pytest.approx(0.5, abs=0.015)
    assert float(fraction.var()) == pytest.approx(1 / (4 * 1.6), abs=0.003)  # of Beta(0.3, 0.3)


@pytest.mark.parametrize("alpha", [1.0, 4.0])
def test_fraction_of_columns_follows_the_beta_distribution(alpha: float) -> None:
    x = torch.zeros(3000, 1000)
    inside = CutMix(alpha).draw(x, x, generator())[0]
    fraction = inside.double().mean(1)
    assert stats.kstest(fraction.numpy(), stats.beta(alpha, alpha).cdf).pvalue > 0.001


def test_box_has_the_proportions_of_the_image_and_the_sampled_area() -> None:
    x = torch.zeros(4000, 1, 40, 80)
    inside = CutMix(1.0).draw(x, x, generator())[0][:, 0]
    heights, widths = inside.any(2).sum(1), inside.any(1).sum(1)
    whole = ~(inside[:, 0].any(1) | inside[:, -1].any(1) | inside[:, :, 0].any(1) | inside[:, :, -1].any(1))
    assert float((widths - 2 * heights)[whole].abs().max()) <= 1  # both rounded
    assert int(whole.sum()) > 400
    # The area of the uncut box is uniform. On average over the centres, a side of relative length r has r − r²/4 inside
    # the image. E[(r − r²/4)²] for uniform r² is 1/2 − 2/10 + 1/48.
    assert float(inside.double().mean()) == pytest.approx(0.5 - 0.2 + 1 / 48, abs=0.02)


def test_p_is_the_fraction_of_changed_samples() -> None:
    x = torch.zeros(5000, 100)
    changed = CutMix(alpha=4.0, p=0.3).draw(x, x, generator())[0].any(1)
    assert float(changed.double().mean()) == pytest.approx(0.3, abs=4 * (0.21 / 5000) ** 0.5)


@pytest.mark.parametrize("neutral", [CutMix(alpha=0.0), CutMix(p=0.0), CutMix(0.0, 0.0)])
def test_neutral_is_the_identity(neutral: CutMix) -> None:
    for shape in ((3, 8, 8), (10,)):
        x, y = torch.randn(50, *shape, generator=generator()), torch.randn(50, 2, generator=generator())
        mixed, targets = neutral.transform_batch(x, y, neutral.draw(x, y, generator()), TABLE)
        assert torch.equal(mixed, x)
        assert torch.equal(targets, y)


def test_vmap_over_population_members() -> None:
    cutmix, g = CutMix(1.0), generator()
    x, y = torch.randn(3, 8, 2, 4, 4, generator=g), torch.rand(3, 8, 5, generator=g)
    draws = [cutmix.draw(x[k], y[k], g) for k in range(3)]
    stacked = tuple(torch.stack(parts) for parts in zip(*draws, strict=True))
    mixed, soft = vmap(lambda *args: cutmix.transform_batch(*args, TABLE))(x, y, stacked)
    for k in range(3):
        single = cutmix.transform_batch(x[k], y[k], draws[k], TABLE)
        assert torch.equal(mixed[k], single[0])
        assert torch.equal(soft[k], single[1])


def test_regression_targets_are_mixed(regression_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    settings = Training(epochs=2, batch_size=16)
    plain, run = (
        fit(make_net(1), regression_split, "", settings),
        fit(make_net(1), regression_split, CutMix(), settings),
    )
    assert not torch.equal(plain.last["0.weight"], run.last["0.weight"])


def test_targets_are_mixed_by_the_replaced_columns_and_categories(mixed_inputs: Inputs) -> None:
    """Every value of a row is the number of that row; a category counts as one of six columns."""
    n = 300
    x = torch.arange(n, dtype=torch.float64)[:, None].expand(n, 11).contiguous()
    y, cutmix = torch.eye(n, dtype=torch.float64), CutMix(1.0)
    draw = cutmix.draw(x, y, generator())
    augmented, soft = cutmix.transform_batch(x, y, draw, mixed_inputs)
    counts = set()
    for row in range(n):
        partner = int(draw[1][row])
        replaced = [augmented[row, unit].tolist() for unit in ([0], [1], [2], [3, 4, 5], [6], [7, 8, 9, 10])]
        assert all(len(set(unit)) == 1 for unit in replaced)
        count = sum(unit[0] == partner for unit in replaced) if partner != row else 0
        counts.add(count)
        assert float(soft[row, row]) == 1 - count / 6
        if partner != row:
            assert float(soft[row, partner]) == pytest.approx(count / 6, abs=1e-15)
    assert counts == set(range(7))


def test_categories_stay_valid(
    mixed_inputs: Inputs, make_rows: Callable[..., Tensor], categories_valid: Callable[..., bool]
) -> None:
    x = make_rows()
    y = torch.zeros(len(x), 1)
    draw = CutMix(1.0).draw(x, y, generator())
    assert categories_valid(CutMix(1.0).transform_batch(x, y, draw, mixed_inputs)[0])
    assert not categories_valid(
        CutMix(1.0).transform_batch(x, y, draw, TABLE)[0], none=True
    )  # without knowledge of the categories


def test_neutral_is_the_identity_with_categories(mixed_inputs: Inputs, make_rows: Callable[..., Tensor]) -> None:
    x = make_rows()
    y = torch.randn(len(x), 2, dtype=torch.float64)
    for off in (CutMix(0.0), CutMix(p=0.0)):
        augmented, targets = off.transform_batch(x, y, off.draw(x, y, generator()), mixed_inputs)
        assert torch.equal(augmented, x)
        assert torch.equal(targets, y)
