import base64
import io

import numpy as np
import pytest
import torch

from goodfit import load
from goodfit.augmentation.preview import variants_with_targets
from goodfit.recipe import Recipe
from goodfit.report.mask_overlay import COLOURS, OPACITY, overlay_mask
from goodfit.report.sample_gallery import sample_galleries, write_contact_sheet

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def split():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, 9, 11), np.uint8)
    return load((images, images // 100)).split()


def test_only_the_classes_after_the_first_are_coloured():
    shades, mask = np.full((1, 2, 3), 100, np.uint8), torch.tensor([[0, 1, 2], [0, 9, 0]])
    image = overlay_mask(shades, mask)
    assert image.shape == (3, 2, 3)
    assert (image[:, mask == 0] == 100).all()
    for number, place in ((1, (0, 1)), (2, (0, 2)), (9, (1, 1))):
        colour = np.array(COLOURS[(number - 1) % 8][1])
        assert np.abs(image[(slice(None), *place)] - (100 * (1 - OPACITY) + OPACITY * colour)).max() <= 0.5


def test_galleries_show_masks_that_moved_with_their_images(split):
    galleries = sample_galleries(split, Recipe.of("horizontal_flip(1.0)"), count=2, samples=3)
    assert len(galleries) == 3
    assert galleries[0].note == "Masks: '0' is not coloured, '1' is blue, '2' is orange."
    for gallery in galleries:
        before, after = (_pixels(one.picture) for one in (gallery.original, gallery.variants[0]))
        assert np.array_equal(before[:, ::-1], after)
        assert before.ndim == 3


def test_a_contact_sheet_of_masks_has_colours(split, tmp_path):
    write_contact_sheet(split, Recipe.of("rotation=20"), tmp_path / "a.png", count=2, samples=2)
    sheet = np.asarray(Image.open(tmp_path / "a.png")).astype(int)
    assert (sheet[..., 0] != sheet[..., 2]).mean() > 0.2


def test_variants_come_with_their_masks(split):
    x, y = variants_with_targets(split, "vertical_flip(1.0)", 2, (3, 5))
    assert torch.equal(y[1, 0], split.train.y[5].flip(-2))
    assert torch.equal(x[1, 1], split.train.x[5].flip(-2))


def _pixels(address: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.split(",")[1]))))
