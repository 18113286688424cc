from pathlib import Path

import numpy as np

from goodfit.data.kinds import TrainingRows
from goodfit.data.kinds.image import ImageKind
from goodfit.data.reading.images import ImageFormat


def test_channels_at_the_end_come_first() -> None:
    assert ImageKind().arrange(np.zeros((2, 8, 9, 3), np.uint8)).shape == (2, 3, 8, 9)
    assert ImageKind().arrange(np.zeros((2, 3, 8, 3), np.uint8)).shape == (2, 3, 8, 3)


def test_masks(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    assert ImageKind().matches_folder(tmp_path)
    assert ImageKind().files_of(tmp_path) == tmp_path / "images"
    assert ImageKind().default_network("segmentation") == "unet"
    assert ImageKind().default_network("classification") == "cnn"


def test_the_form_of_training_rows() -> None:
    assert ImageKind().form_of(TrainingRows((3, 8, 9), uint8=True)) == ImageFormat((8, 9), 3)
