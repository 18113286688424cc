from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from goodfit.techniques import RandomCrop


def test_each_result_is_a_window_of_the_padded_image(photos: Tensor, augment: Callable[..., Tensor]) -> None:
    many = photos[:1].repeat(800, 1, 1, 1)
    padded = F.pad(photos[0], (4, 4, 3, 3))  # a quarter of 16 is 4, of 12 is 3
    windows = {(i, j): padded[:, i : i + 12, j : j + 16] for i in range(7) for j in range(9)}
    positions = set()
    for image in augment(RandomCrop(0.25), many):
        close = [at for at, window in windows.items() if torch.allclose(image, window, rtol=0, atol=1e-12)]
        assert len(close) == 1
        positions.add(close[0])
    assert len(positions) == 63


def test_matrices_are_whole_pixels(largest: Callable[..., Tensor]) -> None:
    moved = largest(RandomCrop(0.3), (11, 17))[:, :2, 2]
    assert torch.equal(moved, moved.round())
    assert set(moved[:, 0].tolist()) == set(range(-5, 6))
    assert set(moved[:, 1].tolist()) == set(range(-3, 4))
    counts = torch.unique(moved[:, 1], return_counts=True)[1]
    assert (
        float((counts / 2000 - 1 / 7).abs().max()) < 4 * (1 / 7 / 2000) ** 0.5
    )  # the outermost positions are as frequent as the others
