from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.errors import InputError
from goodfit.techniques import HalfTurn, HorizontalFlip, Rotation, VerticalFlip

MIRRORS: dict[Any, tuple[int, ...]] = {HorizontalFlip: (-1,), VerticalFlip: (-2,), HalfTurn: (-2, -1)}


@pytest.mark.parametrize("kind", MIRRORS)
def test_pixels_keep_their_bits(kind: Any, photos: Tensor, augment: Callable[..., Tensor]) -> None:
    turned = photos.flip(MIRRORS[kind])
    assert torch.equal(augment(kind(1.0), photos), turned)
    assert torch.equal(augment(kind(0.0), photos), photos)
    many = photos.repeat(200, 1, 1, 1)
    result, expected = augment(kind(0.3), many), turned.repeat(200, 1, 1, 1)
    mirrored = (result == expected).flatten(1).all(1)
    assert torch.equal(result[~mirrored], many[~mirrored])
    assert float(mirrored.double().mean()) == pytest.approx(0.3, abs=4 * (0.21 / 1200) ** 0.5)


@pytest.mark.parametrize("kind", MIRRORS)
def test_with_a_rotation_there_is_one_resampling(kind: Any, photos: Tensor, augment: Callable[..., Tensor]) -> None:
    result = augment([kind(1.0), Rotation(1e-9)], photos, inputs=Inputs("image", -1.0, 2.0))
    torch.testing.assert_close(result, photos.flip(MIRRORS[kind]), rtol=0, atol=1e-8)


def test_frames_of_a_clip_are_mirrored_together(augment: Callable[..., Tensor]) -> None:
    clips = torch.rand(50, 3, 4, 5, 6, generator=torch.Generator().manual_seed(1))
    result = augment(HorizontalFlip(0.5), clips, inputs=Inputs("video"))
    mirrored = (result == clips.flip(-1)).flatten(1).all(1)
    assert torch.equal(result[~mirrored], clips[~mirrored])
    assert 10 < int(mirrored.sum()) < 40


def test_classes_select_the_mirrored_samples(photos: Tensor, augment: Callable[..., Tensor]) -> None:
    names, y = ("cat", "dog", "2"), torch.tensor([0, 1, 2, 0, 1, 2])
    for target in (y, torch.nn.functional.one_hot(y, 3).double()):
        result = augment(HorizontalFlip(1.0, classes="dog, 2"), photos, target, classes=names)
        assert torch.equal(result[y == 0], photos[y == 0])
        assert torch.equal(result[y != 0], photos.flip(-1)[y != 0])


@pytest.mark.parametrize(
    ("named", "classes", "message"),
    [
        ("dgo", ("cat", "dog"), "must name classes of the data, got 'dgo'. Did you mean 'dog'?"),
        ("dog", (), "names classes; the target is a number"),
    ],
)
def test_unknown_classes_are_refused(
    named: str, classes: tuple[str, ...], message: str, photos: Tensor, augment: Callable[..., Tensor]
) -> None:
    with pytest.raises(InputError) as raised:
        augment(HorizontalFlip(classes=named), photos, classes=classes)
    assert str(raised.value).startswith("HorizontalFlip: ")
    assert message in str(raised.value)


def test_rows_of_a_table_are_refused(augment: Callable[..., Tensor]) -> None:
    with pytest.raises(InputError, match=r"HorizontalFlip: it acts on image and video data; these inputs are table"):
        augment(HorizontalFlip(), torch.zeros(3, 4), inputs=Inputs("table"))
