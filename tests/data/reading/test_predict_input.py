from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from goodfit.data import load
from goodfit.data.reading.predict_input import read_predict_input
from goodfit.errors import InputError, MissingExtra


def test_arrays_tables_and_files(tmp_path: Path) -> None:
    rng, y = np.random.default_rng(0), np.arange(40) % 2
    images = load((rng.integers(0, 256, (40, 8, 10, 3)).astype(np.uint8), y)).split().preprocessing
    assert images is not None
    np.savez(tmp_path / "new.npz", x=np.zeros((3, 8, 10, 3), np.uint8))
    assert read_predict_input(str(tmp_path / "new.npz"), images).x.shape == (3, 8, 10, 3)
    Image.new("L", (20, 16), 7).save(tmp_path / "one.png")
    files = read_predict_input(str(tmp_path), images)
    assert (files.x.shape, files.names) == ((1, 3, 8, 10), ("one.png",))
    table = load("iris").split().preprocessing
    assert table is not None
    assert len(read_predict_input("iris", table).x) == 150


def test_files_of_another_kind(tmp_path: Path) -> None:
    series = load((np.random.default_rng(0).normal(size=(40, 2, 9)), np.arange(40) % 2)).split().preprocessing
    assert series is not None
    with pytest.raises(InputError, match="predict: the network was trained on series data; give a file of this kind"):
        read_predict_input(str(tmp_path), series)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("absent.csv", None, "there is no file"),
        ("a.dat", "a", "'a.dat' has no known format"),
        ("a.csv", "1,2\n", "the first line of 'a.csv' holds numbers"),
        ("a.jsonl", "x\n", "1 of 1 lines of 'a.jsonl' cannot be read"),
        ("a.parquet", "x", "'a.parquet' cannot be read as parquet|parquet files need pyarrow"),
        ("a.npz", "x", "'a.npz' cannot be read as npz"),
    ],
)
def test_errors_name_the_prediction(tmp_path: Path, name: str, text: str | None, message: str) -> None:
    table = load("iris").split().preprocessing
    assert table is not None
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises((InputError, MissingExtra), match=f"^predict: ({message})"):
        read_predict_input(str(tmp_path / name), table)
