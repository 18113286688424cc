from __future__ import annotations

from collections import Counter

import pytest
import torch
from scipy import stats

from goodfit.ops.masks import random_boxes, random_columns


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_boxes_in_one_dimension_by_hand() -> None:
    """Five positions, length 2: the centre c is uniform, and the box covers c − 1 and c."""
    masks = random_boxes([5], torch.full((5000, 1), 2), generator())
    result = Counter(tuple(torch.nonzero(row).flatten().tolist()) for row in masks)
    assert set(result) == {(0,), (0, 1), (1, 2), (2, 3), (3, 4)}
    assert stats.chisquare(list(result.values())).pvalue > 0.001


def test_boxes_have_their_lengths() -> None:
    lengths = torch.randint(0, 6, (300, 3), generator=generator(1))
    masks = random_boxes([4, 5, 9], lengths, generator())
    assert masks.shape == (300, 4, 5, 9)
    for mask, sides in zip(masks, lengths.tolist(), strict=True):
        ends = [mask.any(dim=[d for d in range(3) if d != kept]) for kept in range(3)]
        assert torch.equal(mask, ends[0][:, None, None] & ends[1][:, None] & ends[2])
        for end, side in zip(ends, sides, strict=True):
            at = end.nonzero().flatten()
            assert len(at) == 0 or bool((at.diff() == 1).all())
            touches = bool(end[0] | end[-1])
            assert len(at) == 0 if 0 in sides else len(at) <= side and (touches or len(at) == side)


def test_each_column_has_the_probability_of_its_row() -> None:
    share = torch.tensor([0.0, 0.25, 0.5, 1.0]).repeat(2000)
    masks = random_columns(share, 6, generator()).double()
    for value in (0.0, 0.25, 0.5, 1.0):
        mine = masks[share == value]
        assert float((mine.mean(0) - value).abs().max()) <= 4 * (value * (1 - value) / 2000) ** 0.5
        both = (mine[:, 0] * mine[:, 1]).mean()
        assert float(both) == pytest.approx(value**2, abs=4 * (1 / 4 / 2000) ** 0.5)  # columns are independent
