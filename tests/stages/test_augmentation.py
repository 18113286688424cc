"""The base classes of augmentations."""

from __future__ import annotations

import torch

from goodfit.stages import SpatialTransform, ValueTransform
from goodfit.techniques import ALL, Brightness, HorizontalFlip, VerticalFlip


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_the_first_draw_is_the_mask_of_the_changed_samples() -> None:
    x, y = torch.zeros(4000, 1, 2, 2), torch.zeros(4000)
    mask, *others = Brightness(0.5, p=0.25).draw(x, y, generator())
    assert (mask.shape, mask.dtype) == ((4000,), torch.bool)
    assert abs(float(mask.float().mean()) - 0.25) < 4 * (0.25 * 0.75 / 4000) ** 0.5
    assert all(len(draw) == 4000 for draw in others)
    assert bool(Brightness(0.5, p=1.0).draw(x, y, generator())[0].all())
    assert not bool(Brightness(0.5, p=0.0).draw(x, y, generator())[0].any())


def test_the_probability_does_not_change_the_other_draws() -> None:
    x, y = torch.zeros(5, 1, 2, 2), torch.zeros(5)
    rarely, always = (Brightness(0.5, p=p).draw(x, y, generator())[1:] for p in (0.1, 1.0))
    assert torch.equal(torch.stack(rarely), torch.stack(always))


def test_a_flip_is_a_matrix_with_minus_one_for_each_axis() -> None:
    assert HorizontalFlip().matrix((), (4, 6)).tolist() == [[[-1, 0, 0], [0, 1, 0], [0, 0, 1]]]
    assert VerticalFlip().matrix((), (4, 6)).tolist() == [[[1, 0, 0], [0, -1, 0], [0, 0, 1]]]
    assert HorizontalFlip().sample(torch.zeros(3, 1, 2, 2), generator()) == ()


def test_no_augmentation_moves_pixels_and_computes_values() -> None:
    assert not [name for name, t in ALL.items() if issubclass(t, SpatialTransform) and issubclass(t, ValueTransform)]
