"""Previews show training samples as training would transform them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from goodfit.augmentation.preview import example_rows, previewed, targets, variants, variants_in_batches
from goodfit.data import Split, load
from goodfit.data.kinds import kind
from goodfit.errors import InputError
from goodfit.recipe import Recipe


def test_variants_are_random_and_depend_on_the_seed_only(image_split: Split) -> None:
    samples = variants(image_split, "rotation=20, brightness=0.3", count=5, rows=(3, 7), seed=1)
    assert samples.shape == (2, 5, 3, 8, 8)
    assert len({tuple(image.flatten().tolist()) for image in samples.flatten(0, 1)}) == 10
    assert torch.equal(samples, variants(image_split, "rotation=20, brightness=0.3", count=5, rows=(3, 7), seed=1))
    assert not torch.equal(samples, variants(image_split, "rotation=20, brightness=0.3", count=5, rows=(3, 7), seed=2))
    unchanged = variants(image_split, "rotation=0.0", count=2, rows=(4,))
    assert torch.equal(unchanged[0, 0], image_split.train.x[4])


def test_example_rows_have_different_classes(image_split: Split) -> None:
    rows = example_rows(image_split, 5)
    assert [int(c) for c in image_split.train.y[rows]] == [0, 1, 2, 0, 1]
    assert len(set(rows)) == 5


@pytest.mark.parametrize(
    ("recipe", "count", "rows", "error"),
    [
        ("l2=0.1", 3, (0,), "the recipe must have an augmentation such as rotation=15, got l2=0.1"),
        ("mixup", 3, (0,), "the recipe must have an augmentation such as rotation=15, got mixup"),
        ("rotation", 0, (0,), "count must be at least 1 and rows among 0 to 95, got count=0, rows=(0,)"),
        ("rotation", 3, (96,), "count must be at least 1 and rows among 0 to 95, got count=3, rows=(96,)"),
    ],
)
def test_invalid_arguments_are_refused(
    image_split: Split, recipe: str, count: int, rows: tuple[int, ...], error: str
) -> None:
    with pytest.raises(InputError) as raised:
        variants(image_split, recipe, count, rows)
    assert error in str(raised.value)


# ---- rows as parts of a batch ---------------------------------------------------------------------------


def distinct_values(rows: int = 160) -> Split:
    """A table in which no value occurs twice in a column."""
    x = np.random.default_rng(0).permuted(np.tile(np.arange(rows, dtype=float)[:, None], 6), axis=0)
    return load((x, np.arange(rows) % 2)).split(seed=0)


def test_swapped_values_come_from_the_same_column_of_other_rows() -> None:
    split = distinct_values()
    samples = variants(split, "swap_noise=0.5", count=40, rows=(3, 5))
    assert samples.shape == (2, 40, 6)
    for row, of_row in zip((3, 5), samples, strict=True):
        swapped = of_row != split.train.x[row]
        assert 0.4 < swapped.float().mean() < 0.6
        for column in range(6):
            assert torch.isin(of_row[:, column], split.train.x[:, column]).all()


def test_cutmix_mixes_targets_by_the_share_of_columns() -> None:
    split = distinct_values()
    batches = variants_in_batches(split, Recipe.of("cutmix"), 30, (0, 1, 7))
    before = targets(split, (0, 1, 7))
    assert batches.y.shape == (3, 30, 2)
    torch.testing.assert_close(batches.y.sum(-1), torch.ones(3, 30))
    for row, x, y, own in zip((0, 1, 7), batches.x, batches.y, before, strict=True):
        kept = (x == split.train.x[row]).float().mean(-1)  # (variant,)
        share = y[:, own.argmax()]
        mixed = share < 1  # mixed with a row of the other class; otherwise the target does not change
        assert mixed.any()
        torch.testing.assert_close(share[mixed], kept[mixed])


def test_batches_depend_on_the_seed_only() -> None:
    split, recipe = distinct_values(), Recipe.of("swap_noise=0.3, mixup")
    one, same_seed, other = (variants_in_batches(split, recipe, 4, (2,), seed) for seed in (1, 1, 2))
    assert torch.equal(one.x, same_seed.x)
    assert torch.equal(one.y, same_seed.y)
    assert not torch.equal(one.x, other.x)
    assert len({tuple(x.tolist()) for x in one.x[0]}) == 4


def test_jitter_is_relative_to_the_standard_deviation_of_the_batch(series_split: Split) -> None:
    """A batch of copies of one sample would have another standard deviation."""
    samples = variants(series_split, "jitter=0.1", count=200, rows=(0,))
    noise = (samples - series_split.train.x[0]).std((0, 1, 3))  # (channel,)
    deviation = series_split.train.x.std((0, 2))
    torch.testing.assert_close(noise, 0.1 * deviation, rtol=0.05, atol=0.0)


def test_numeric_targets_are_mixed(regression_split: Split) -> None:
    batches = variants_in_batches(regression_split, Recipe.of("mixup=1.0"), 20, (0,))
    assert batches.y.shape == (1, 20, 1)
    assert batches.y.min() >= regression_split.train.y.min()
    assert batches.y.unique().numel() > 10
    assert torch.equal(targets(regression_split, (0, 4)), regression_split.train.y[[0, 4]])


def test_previewed_techniques_depend_on_the_data_kind() -> None:
    recipe = Recipe.of("mixup, label_smoothing, swap_noise, l2=0.1, fgsm, cutmix")
    assert [t.name() for t in previewed(recipe, kind("table"))] == ["mixup", "swap_noise", "cutmix"]
    assert [t.name() for t in previewed(recipe, kind("image"))] == ["swap_noise"]


def test_few_rows_are_one_batch() -> None:
    split = load((np.arange(24.0).reshape(12, 2), np.arange(12) % 2)).split(seed=0)
    assert len(split.train) < 10
    assert variants_in_batches(split, Recipe.of("swap_noise"), 3, range(len(split.train))).x.shape[:2] == (
        len(split.train),
        3,
    )
