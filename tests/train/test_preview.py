"""Variants to look at are what training sees."""

from __future__ import annotations

import pytest
import torch

from goodfit.augmentation.preview import example_rows, variants
from goodfit.data import Split
from goodfit.errors import InputError


def test_each_variant_is_a_draw_of_its_own_and_follows_from_the_seed(image_split: Split) -> None:
    made = variants(image_split, "rotation=20, brightness=0.3", count=5, rows=(3, 7), seed=1)
    assert made.shape == (2, 5, 3, 8, 8)
    assert len({tuple(image.flatten().tolist()) for image in made.flatten(0, 1)}) == 10
    assert torch.equal(made, variants(image_split, "rotation=20, brightness=0.3", count=5, rows=(3, 7), seed=1))
    assert not torch.equal(made, variants(image_split, "rotation=20, brightness=0.3", count=5, rows=(3, 7), seed=2))
    still = variants(image_split, "rotation=0.0", count=2, rows=(4,))
    assert torch.equal(still[0, 0], image_split.train.x[4])


def test_examples_are_of_different_classes(image_split: Split) -> None:
    rows = example_rows(image_split, 5)
    assert [int(c) for c in image_split.train.y[rows]] == [0, 1, 2, 0, 1]
    assert len(set(rows)) == 5


@pytest.mark.parametrize(
    ("recipe", "count", "rows", "said"),
    [
        ("l2=0.1", 3, (0,), "the recipe must hold an augmentation such as rotation=15, got l2=0.1"),
        ("mixup", 3, (0,), "the recipe must hold an augmentation such as rotation=15, got mixup"),
        ("rotation", 0, (0,), "there must be a variant of some of rows 0 to 95, got count=0"),
        ("rotation", 3, (96,), "there must be a variant of some of rows 0 to 95, got count=3"),
    ],
)
def test_what_cannot_be_shown(image_split: Split, recipe: str, count: int, rows: tuple[int, ...], said: str) -> None:
    with pytest.raises(InputError) as raised:
        variants(image_split, recipe, count, rows)
    assert said in str(raised.value)
