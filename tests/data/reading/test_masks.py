import logging

import numpy as np
import pytest

from goodfit import InputError, load
from goodfit.data import Images
from goodfit.data.reading.images import ImageFormat
from goodfit.data.reading.masks import decode

Image = pytest.importorskip("PIL.Image")


@pytest.fixture
def folder(tmp_path):
    """Six images of 8 × 10 with masks of two values, and what they hold."""
    rng, held = np.random.default_rng(0), {}
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
    for i in range(6):
        image, mask = rng.integers(0, 256, (8, 10, 3), np.uint8), rng.integers(0, 2, (8, 10), np.uint8) * 255
        Image.fromarray(image).save(tmp_path / "images" / f"{i}.png")
        Image.fromarray(mask).save(tmp_path / "masks" / f"{i}.png")
        held[i] = image, mask
    return tmp_path, held


def test_images_and_masks_are_read_pairwise(folder):
    path, held = folder
    data = load(path)
    assert (data.task, data.target, data.classes, data.kind) == ("segmentation", "mask", ("0", "255"), "image")
    for i, (image, mask) in held.items():
        assert np.array_equal(data.x[i], image.transpose(2, 0, 1))
        assert np.array_equal(data.y[i] * 255, mask)


def test_names_may_tell_masks_and_lie_in_other_folders(folder):
    path, held = folder
    (path / "images").rename(path / "Imgs")
    (path / "masks").rename(path / "Annotations")
    for i in held:
        file = path / "Annotations" / f"{i}.png"
        Image.open(file).save(path / "Annotations" / f"{i}_mask.gif")
        file.unlink()
    assert np.array_equal(load(path).y[2] * 255, held[2][1])


def test_palettes_keep_their_numbers_and_colours_their_names(folder):
    path, held = folder
    for i in held:
        mask = Image.fromarray((held[i][1] // 255 * 3).astype(np.uint8), "P") if i else None
        if mask is not None:
            mask.putpalette([0, 0, 0, 9, 9, 9, 200, 0, 0, 0, 255, 0])
            mask.save(path / "masks" / f"{i}.png")
    colours = np.zeros((8, 10, 3), np.uint8)
    colours[held[0][1] > 0] = (255, 128, 0)
    Image.fromarray(colours).save(path / "masks" / "0.png")
    data = load(path)
    assert data.classes == ("0", "3", "#ff8000")
    assert np.array_equal(data.y[0] == 2, held[0][1] > 0)
    assert np.array_equal(data.y[1] == 1, held[1][1] > 0)


def test_another_size_takes_the_nearest_pixels_of_masks(folder):
    path, held = folder
    data = load(path, options=Images(size=(16, 20)))
    assert data.x.shape == (6, 3, 16, 20)
    assert data.classes == ("0", "255")
    assert np.array_equal(data.y[1] * 255, held[1][1].repeat(2, 0).repeat(2, 1))


def test_train_and_test_folders(folder):
    path, _ = folder
    for part in ("train", "test"):
        (path / part).mkdir()
        for kind in ("images", "masks"):
            (path / part / kind).mkdir()
    for i in range(6):
        for kind in ("images", "masks"):
            (path / kind / f"{i}.png").rename(path / ("test" if i > 3 else "train") / kind / f"{i}.png")
    for kind in ("images", "masks"):
        (path / kind).rmdir()
    data = load(path)
    assert len(data) == 4
    assert len(data.test[1]) == 2


def test_files_without_a_partner(folder, caplog):
    path, _ = folder
    (path / "masks" / "3.png").unlink()
    with pytest.raises(InputError, match=r"1 files of .* have no partner of the same name: 'images/3.png'; add or"):
        load(path)
    with caplog.at_level(logging.WARNING):
        assert len(load(path, options=Images(damaged="skip"))) == 5
    assert "images/3.png" in caplog.text


def test_damaged_masks_are_named_or_left_out(folder, caplog):
    path, held = folder
    whole = (path / "masks" / "1.png").read_bytes()
    (path / "masks" / "1.png").write_bytes(whole[: len(whole) // 2])
    Image.fromarray(held[2][1][:5]).save(path / "masks" / "2.png")
    with pytest.raises(InputError, match=r"2 of 6 files cannot be read: 'images/1.png', 'images/2.png'"):
        load(path)
    data = load(path, options=Images(damaged="skip"))
    assert len(data) == 4
    assert np.array_equal(data.y[1] * 255, held[3][1])


def test_jpeg_masks_are_black_and_white(folder, caplog):
    path, held = folder
    for i, (_, mask) in held.items():
        (path / "masks" / f"{i}.png").unlink()
        big = Image.fromarray(mask).resize((80, 64), 0)
        big.save(path / "masks" / f"{i}.jpg", quality=60)
        Image.open(path / "images" / f"{i}.png").resize((80, 64)).save(path / "images" / f"{i}.png")
    data = load(path)
    assert data.classes == ("0", "255")
    assert "JPEG" in caplog.text
    right = data.y[0] * 255 == held[0][1].repeat(8, 0).repeat(8, 1)
    assert right.mean() > 0.99


def test_a_folder_of_classes_stays_one(folder):
    path, _ = folder
    (path / "other").mkdir()
    Image.new("L", (10, 8)).save(path / "other" / "a.png")
    (path / "other" / "b.png").write_bytes((path / "other" / "a.png").read_bytes())
    assert load(path).task == "classification"


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
def test_masks_of_16_bits_keep_their_numbers(tmp_path, mode):
    values = np.array([[1, 300], [40000, 256]])
    kind = {"I;16": "<u2", "I;16B": ">u2", "I": "<i4"}[mode]
    Image.frombytes(mode, (2, 2), values.astype(kind).tobytes()).save(tmp_path / "a.tif")
    assert np.array_equal(decode(tmp_path / "a.tif", ImageFormat((2, 2), 1)), values)
    assert np.array_equal(decode(tmp_path / "a.tif", ImageFormat((4, 4), 1)), values.repeat(2, 0).repeat(2, 1))


def test_masks_of_floats_are_refused(folder):
    path, _ = folder
    (path / "masks" / "1.png").unlink()
    Image.new("F", (10, 8), 0.5).save(path / "masks" / "1.tif")
    with pytest.raises(InputError, match=r"1 of 6 files cannot be read: 'images/1.png' \(it holds floating-point"):
        load(path)


def test_endings_of_masks_in_any_case(folder):
    path, held = folder
    (path / "images" / "0.png").rename(path / "images" / "0_gt.png")  # the name of an image is not changed
    for i in held:
        (path / "masks" / f"{i}.png").rename(path / "masks" / (f"{i}_Mask.png" if i else "0_gt.png"))
    assert len(load(path)) == 6


def test_files_of_one_name_are_refused(folder):
    path, _ = folder
    (path / "masks" / "1_mask.png").write_bytes((path / "masks" / "1.png").read_bytes())
    with pytest.raises(InputError, match=r"files in 'masks' must have different names .* got '1.png', '1_mask.png'"):
        load(path)


def test_a_test_part_of_another_size_is_reported(folder, tmp_path, caplog):
    path, _ = folder
    for kind in ("images", "masks"):
        for part in ("train", "test"):
            (path / part / kind).mkdir(parents=True)
        for i in range(6):
            file = path / kind / f"{i}.png"
            Image.open(file).resize((10, 8) if i < 4 else (20, 16), 0).save(
                path / ("train" if i < 4 else "test") / kind / file.name
            )
            file.unlink()
        (path / kind).rmdir()
    assert load(path).test[1].shape == (2, 8, 10)
    assert "2 of 2 images and masks are resized to 8 × 10 (height × width): 'images/4.png'" in caplog.text
