"""Rows in batches of others: company to exchange columns with, soft targets, one draw per batch."""

from __future__ import annotations

import numpy as np
import torch

from goodfit.augmentation.preview import previewed, targets, variants, variants_in_batches
from goodfit.data import Split, load
from goodfit.data.kinds import kind
from goodfit.recipe import Recipe


def distinct(rows: int = 160) -> Split:
    """A table in which no value occurs twice in a column."""
    x = np.random.default_rng(0).permuted(np.tile(np.arange(rows, dtype=float)[:, None], 6), axis=0)
    return load((x, np.arange(rows) % 2)).split(seed=0)


def test_swapped_columns_are_those_of_other_rows() -> None:
    split = distinct()
    made = variants(split, "swap_noise=0.5", count=40, rows=(3, 5))
    assert made.shape == (2, 40, 6)
    for row, several in zip((3, 5), made, strict=True):
        swapped = several != split.train.x[row]
        assert 0.4 < swapped.float().mean() < 0.6
        for column in range(6):
            assert torch.isin(several[:, column], split.train.x[:, column]).all()


def test_cutmix_shares_the_target_by_columns() -> None:
    split = distinct()
    made = variants_in_batches(split, Recipe.of("cutmix"), 30, (0, 1, 7))
    before = targets(split, (0, 1, 7))
    assert made.y.shape == (3, 30, 2)
    torch.testing.assert_close(made.y.sum(-1), torch.ones(3, 30))
    for row, x, y, own in zip((0, 1, 7), made.x, made.y, before, strict=True):
        kept = (x == split.train.x[row]).float().mean(-1)  # (variant,)
        share = y[:, own.argmax()]
        mixed = share < 1  # with a partner of the other class; else nothing of the target changes
        assert mixed.any()
        torch.testing.assert_close(share[mixed], kept[mixed])


def test_what_follows_from_the_seed() -> None:
    split, recipe = distinct(), Recipe.of("swap_noise=0.3, mixup")
    one, again, other = (variants_in_batches(split, recipe, 4, (2,), seed) for seed in (1, 1, 2))
    assert torch.equal(one.x, again.x)
    assert torch.equal(one.y, again.y)
    assert not torch.equal(one.x, other.x)
    assert len({tuple(x.tolist()) for x in one.x[0]}) == 4


def test_jitter_is_measured_on_a_batch(series_split: Split) -> None:
    """Copies of one sample would have that sample's spread alone."""
    made = variants(series_split, "jitter=0.1", count=200, rows=(0,))
    noise = (made - series_split.train.x[0]).std((0, 1, 3))  # (channel,)
    spread = series_split.train.x.std((0, 2))
    torch.testing.assert_close(noise, 0.1 * spread, rtol=0.05, atol=0.0)


def test_targets_that_are_numbers(regression_split: Split) -> None:
    made = variants_in_batches(regression_split, Recipe.of("mixup=1.0"), 20, (0,))
    assert made.y.shape == (1, 20, 1)
    assert made.y.min() >= regression_split.train.y.min()
    assert made.y.unique().numel() > 10
    assert torch.equal(targets(regression_split, (0, 4)), regression_split.train.y[[0, 4]])


def test_what_is_seen_of_a_recipe() -> None:
    recipe = Recipe.of("mixup, label_smoothing, swap_noise, l2=0.1, fgsm, cutmix")
    assert [t.name() for t in previewed(recipe, kind("table"))] == ["mixup", "swap_noise", "cutmix"]
    assert [t.name() for t in previewed(recipe, kind("image"))] == ["swap_noise"]


def test_few_rows_are_a_batch() -> None:
    split = load((np.arange(24.0).reshape(12, 2), np.arange(12) % 2)).split(seed=0)
    assert len(split.train) < 10
    assert variants_in_batches(split, Recipe.of("swap_noise"), 3, range(len(split.train))).x.shape[:2] == (
        len(split.train),
        3,
    )
