import pytest
import torch

from goodfit import InputError
from goodfit.augmentation.augment import augment
from goodfit.data import Inputs
from goodfit.stages import AugmentationPolicy, SpatialTransform
from goodfit.techniques import ALL


def gen(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_mask_made_of_the_image_stays_that_of_the_image():
    """Blocks of 8 pixels: away from their borders, interpolation changes nothing."""
    coarse = torch.randint(0, 2, (16, 1, 6, 6), generator=gen()).float()
    x = coarse.repeat_interleave(8, -1).repeat_interleave(8, -2)
    made = augment(x, "rotation=40, shift=0.2, zoom=0.3, shear=10, elastic=3, horizontal_flip", masks=x[:, 0].byte(),
                   inputs=Inputs("image"), generator=gen(1))  # fmt: skip
    clear = (made.x[:, 0] - 0.5).abs() > 0.45
    assert made.masks.dtype == torch.uint8
    assert clear.float().mean() > 0.4
    assert torch.equal(made.masks[clear] > 0, made.x[:, 0][clear] > 0.5)
    assert not torch.equal(made.x, x)


def test_colours_leave_masks_and_boxes_alone():
    x, masks = torch.rand(4, 3, 8, 8), torch.randint(0, 5, (4, 8, 8))
    boxes = torch.tensor([[[1.0, 2.0, 5.0, 6.0]]]).expand(4, 1, 4)
    made = augment(x, "brightness=0.5, blur=1.0, cut_out=0.5", masks=masks, boxes=boxes)
    assert torch.equal(made.masks, masks)
    assert torch.equal(made.boxes, boxes)
    assert made.seen.tolist() == [[1.0]] * 4
    assert not torch.equal(made.x, x)


def test_the_same_generator_the_same_batch():
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


def test_what_is_not_given_is_none():
    made = augment(torch.rand(2, 1, 4, 4), "vertical_flip=1.0")
    assert made.masks is made.boxes is made.seen is None


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"recipe": "l2=0.1"}, "must hold an augmentation such as rotation=15, got 'l2=0.1'"),
        ({"masks": torch.zeros(2, 4, 5)}, r"masks must have the shape \(batch, height, width\)"),
        ({"masks": torch.zeros(3, 4, 4)}, r"masks must have the shape \(batch, height, width\)"),
        ({"boxes": torch.zeros(2, 4)}, r"boxes must have the shape \(batch, boxes, 4\)"),
        ({"recipe": "pitch=2"}, "it acts on sound data"),
    ],
)
def test_what_cannot_be_is_refused(given, said):
    with pytest.raises(InputError, match=said):
        augment(**{"x": torch.zeros(2, 1, 4, 4), "recipe": "rotation=15", **given})


MOVING = [name for name, kind in ALL.items() if issubclass(kind, SpatialTransform | AugmentationPolicy)]


@pytest.mark.parametrize("name", MOVING)
def test_masks_follow_whatever_moves_pixels(name):
    """Blocks in three shades with their numbers as mask: where the shade is clear, the mask tells it."""
    coarse = torch.randint(0, 3, (24, 1, 5, 5), generator=gen(2))
    blocks = coarse.repeat_interleave(10, -1).repeat_interleave(10, -2)
    technique = ALL[name]()
    made = augment(blocks / 2, technique, masks=blocks[:, 0], inputs=Inputs("image"), generator=gen(3))
    moved = (made.masks != blocks[:, 0]).flatten(1).any(1)
    assert moved.any()
    if issubclass(ALL[name], AugmentationPolicy):  # colours change, too: only that masks moved is told here
        return
    clear = torch.isclose(made.x[:, 0] * 2, (made.x[:, 0] * 2).round(), atol=0.05)
    assert clear.float().mean() > 0.3
    wrong = (made.masks != (made.x[:, 0] * 2).round())[clear].float().mean()
    assert wrong < 0.01
