"""`augment`: masks and boxes follow the images, and the result depends on the generator only."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from goodfit import InputError
from goodfit.augmentation.augment import augment
from goodfit.data import Inputs
from goodfit.stages import AugmentationPolicy, SpatialTransform
from goodfit.techniques import ALL


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_mask_equal_to_its_image_stays_equal_to_it() -> None:
    """Interpolation changes nothing inside the blocks of 8 pixels, only at their borders."""
    coarse = torch.randint(0, 2, (16, 1, 6, 6), generator=gen()).float()
    x = coarse.repeat_interleave(8, -1).repeat_interleave(8, -2)
    batch = augment(x, "rotation=40, shift=0.2, zoom=0.3, shear=10, elastic=3, horizontal_flip", masks=x[:, 0].byte(),
                   inputs=Inputs("image"), generator=gen(1))  # fmt: skip
    inside = (batch.x[:, 0] - 0.5).abs() > 0.45
    assert batch.masks.dtype == torch.uint8
    assert inside.float().mean() > 0.4
    assert torch.equal(batch.masks[inside] > 0, batch.x[:, 0][inside] > 0.5)
    assert not torch.equal(batch.x, x)


def test_value_transforms_do_not_change_masks_and_boxes() -> None:
    x, masks = torch.rand(4, 3, 8, 8), torch.randint(0, 5, (4, 8, 8))
    boxes = torch.tensor([[[1.0, 2.0, 5.0, 6.0]]]).expand(4, 1, 4)
    batch = augment(x, "brightness=0.5, blur=1.0, cut_out=0.5", masks=masks, boxes=boxes)
    assert torch.equal(batch.masks, masks)
    assert torch.equal(batch.boxes, boxes)
    assert batch.visible.tolist() == [[1.0]] * 4
    assert not torch.equal(batch.x, x)


def test_the_generator_decides_the_result() -> None:
    x, boxes = torch.rand(4, 3, 8, 8), torch.tensor([[[1.0, 2.0, 5.0, 6.0]]]).expand(4, 1, 4)
    one, two, other = (augment(x, "rotation=30, image_noise=0.1", boxes=boxes, generator=gen(s)) for s in (5, 5, 6))
    assert torch.equal(one.x, two.x)
    assert torch.equal(one.boxes, two.boxes)
    assert not torch.equal(one.x, other.x)
    torch.manual_seed(3)
    first = augment(x, "rotation=30").x
    assert not torch.equal(first, augment(x, "rotation=30").x)
    torch.manual_seed(3)
    assert torch.equal(first, augment(x, "rotation=30").x)


def test_masks_and_boxes_are_none_if_the_batch_has_none() -> None:
    batch = augment(torch.rand(2, 1, 4, 4), "vertical_flip=1.0")
    assert batch.masks is batch.boxes is batch.visible is None


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"recipe": "l2=0.1"}, "must have an augmentation such as rotation=15, got 'l2=0.1'"),
        ({"masks": torch.zeros(2, 4, 5)}, r"masks must have the shape \(batch, height, width\)"),
        ({"masks": torch.zeros(3, 4, 4)}, r"masks must have the shape \(batch, height, width\)"),
        ({"boxes": torch.zeros(2, 4)}, r"boxes must have the shape \(batch, boxes, 4\)"),
        ({"recipe": "pitch=2"}, "it acts on sound data"),
    ],
)
def test_invalid_arguments_are_refused(arguments: dict[str, Any], error: str) -> None:
    with pytest.raises(InputError, match=error):
        augment(**{"x": torch.zeros(2, 1, 4, 4), "recipe": "rotation=15", **arguments})


MOVING = [name for name, kind in ALL.items() if issubclass(kind, SpatialTransform | AugmentationPolicy)]


@pytest.mark.parametrize("name", MOVING)
def test_masks_follow_every_spatial_transform(name: str) -> None:
    """The images have blocks of three values, and the masks the numbers of these values."""
    coarse = torch.randint(0, 3, (24, 1, 5, 5), generator=gen(2))
    blocks = coarse.repeat_interleave(10, -1).repeat_interleave(10, -2)
    technique = ALL[name]()
    batch = augment(blocks / 2, technique, masks=blocks[:, 0], inputs=Inputs("image"), generator=gen(3))
    moved = (batch.masks != blocks[:, 0]).flatten(1).any(1)
    assert moved.any()
    if issubclass(ALL[name], AugmentationPolicy):  # it changes the values, too, so that only the masks can be tested
        return
    inside = torch.isclose(batch.x[:, 0] * 2, (batch.x[:, 0] * 2).round(), atol=0.05)
    assert inside.float().mean() > 0.3
    wrong = (batch.masks != (batch.x[:, 0] * 2).round())[inside].float().mean()
    assert wrong < 0.01
