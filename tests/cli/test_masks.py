"""Masks on the command line: studies, variants, and predicted masks as image files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from goodfit.data import load
from goodfit.store import load_run

Cli = Callable[..., Any]


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Images of 10 × 12 with a bright block, and masks of it with the values 0 and 200."""
    rng = np.random.default_rng(0)
    for number in range(24):
        top, left = rng.integers(0, 6, 2)
        mask = np.zeros((10, 12), np.uint8)
        mask[top : top + 4, left : left + 5] = 200
        for kind, pixels in (("images", np.clip(rng.normal(60, 20, mask.shape) + mask * 0.7, 0, 255)), ("masks", mask)):
            (tmp_path / "scans" / kind).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "scans" / kind / f"scan-{number}.png")
    return tmp_path / "scans"


def test_fit_and_predict(goodfit: Cli, scans: Path, tmp_path: Path) -> None:
    model, out = tmp_path / "model", tmp_path / "named"
    result = goodfit("fit", scans, "--model", "unet:8-8", "--epochs", 12, "--batch-size", 8, "--learning-rate", 0.01,
                     "--recipe", "rotation=5, shift=0.05", "--out", model)  # fmt: skip
    assert result.code == 0, result.err
    assert load_run(model).spec.task == "segmentation"
    result = goodfit("predict", model, scans / "images", "--out", out)
    assert result.code == 0, result.err
    assert "24 masks" in result.out + result.err
    data, run = load(scans), load_run(model)
    for number in (3, 17):
        mask = np.asarray(Image.open(out / f"scan-{number}.png"))
        annotated = np.asarray(Image.open(scans / "masks" / f"scan-{number}.png"))
        assert set(np.unique(mask)) <= {0, 200}
        assert (mask == annotated).mean() > 0.9
    assert run.preprocessing is not None
    row = sorted(p.name for p in (scans / "masks").iterdir()).index("scan-3.png")
    assert data.y[row].max() == 1


def test_the_folder_of_training_is_one_of_images(goodfit: Cli, scans: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    assert goodfit("fit", scans, "--model", "unet:4", "--epochs", 1, "--out", model).code == 0
    assert goodfit("predict", model, scans, "--out", tmp_path / "named").code == 0
    assert len(list((tmp_path / "named").glob("*.png"))) == 24


def test_masks_need_a_folder(goodfit: Cli, scans: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    goodfit("fit", scans, "--model", "unet:4", "--epochs", 1, "--out", model)
    result = goodfit("predict", model, scans / "images")
    assert result.code == 2
    assert "predicts masks, which are image files; give --out with a folder" in result.err


def test_study_and_variants(goodfit: Cli, scans: Path, tmp_path: Path) -> None:
    result = goodfit("study", scans, "--recipe", "rotation=10", "--model", "unet:4", "--epochs", 2, "--folds", 2,
                     "--repeats", 1, "--out", tmp_path / "study")  # fmt: skip
    assert result.code == 0, result.err
    page = (tmp_path / "study" / "report.html").read_text("utf-8")
    assert "iou" in page
    assert "is blue" in page
    result = goodfit("augment", scans, "--recipe", "rotation=30", "--show", 3, "--out", tmp_path / "variants")
    assert result.code == 0, result.err
    assert "'200' is blue" in (tmp_path / "variants" / "augment.html").read_text("utf-8").replace("&#39;", "'")


def test_masks_keep_the_values_of_training(tmp_path: Path) -> None:
    from io import BytesIO

    from goodfit.data.reading.masks import encode

    numbers = np.array([[0, 1], [2, 0]])
    for classes, pixels in [
        (("0", "7", "255"), [[0, 7], [255, 0]]),
        (("0", "1", "#ff0080"), [[[0] * 3, [1] * 3], [[255, 0, 128], [0] * 3]]),
        (("-1", "0", "300"), [[0, 1], [2, 0]]),
    ]:
        assert np.asarray(Image.open(BytesIO(encode(numbers, classes)))).tolist() == pixels
