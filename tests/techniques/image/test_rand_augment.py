from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from goodfit.errors import InputError
from goodfit.techniques import RandAugment, Rotation, TrivialAugment


def test_operations_are_drawn_uniformly_and_per_image() -> None:
    technique, rows = RandAugment(0.5, count=2), 8000
    chosen, side = technique.sample(torch.zeros(rows, 1, 2, 2), torch.Generator().manual_seed(0))
    counts = torch.bincount(chosen.flatten(), minlength=14)
    assert len(counts) == 14
    assert float((counts / (2 * rows) - 1 / 14).abs().max()) < 4 * (1 / 14 / (2 * rows)) ** 0.5
    shares = technique.assignments((chosen, side))
    assert len(shares) == len(technique.operations()) == 26
    acting = torch.stack([rows for rows, _ in shares])
    assert torch.equal(acting.sum(0), (chosen < 13).sum(1))
    levels = torch.stack([draw[0] for _, draw in shares[:1]])
    assert set(levels.unique().tolist()) == {-0.5, 0.5}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("technique", [RandAugment(0.7), TrivialAugment()])
def test_images_stay_in_range(
    technique: RandAugment | TrivialAugment, channels: int, photos: Tensor, augment: Callable[..., Tensor]
) -> None:
    many = photos[:, :channels].repeat(40, 1, 1, 1)
    result = augment(technique, many)
    assert result.shape == many.shape
    assert float(result.min()) >= 0
    assert float(result.max()) <= 1
    changed = (result != many).flatten(1).any(1)
    assert 120 < int(changed.sum()) < 240
    assert torch.equal(result, augment(technique, many))
    assert not torch.equal(result, augment(technique, many, seed=1))


def test_with_a_rotation_there_is_one_resampling(photos: Tensor, augment: Callable[..., Tensor]) -> None:
    with pytest.raises(InputError, match=r"share one resampling, got fill='edge' and fill='black'"):
        augment([Rotation(10.0), RandAugment(fill="edge")], photos)
