"""Large arrays of archives: unpacked into files, and checked on the way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from goodfit.data import load, storage
from goodfit.data.reading.npz import read_array
from goodfit.data.storage import is_mapped
from goodfit.errors import InputError


@pytest.fixture(autouse=True)
def everything_is_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(storage, "SHARE", 0.0)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_out_in_files(save: object, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(9000, 3, 2))
    arrays = {"x": x, "columns": np.asfortranarray(x[:, 0]), "one": np.float64(3), "none": np.zeros((0, 2))}
    assert callable(save)
    save(tmp_path / "data.npz", **arrays)
    with np.load(tmp_path / "data.npz") as archive:
        loaded = {key: read_array(archive, key) for key in arrays}
    for key, expected in arrays.items():
        assert np.array_equal(loaded[key], expected)
        assert loaded[key].dtype == expected.dtype
    assert [key for key, array in loaded.items() if is_mapped(array)] == ["x"]


def test_damaged_archives_are_refused(tmp_path: Path) -> None:
    x = np.arange(6000, dtype=np.uint8).reshape(-1, 6)
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(1000) % 2)
    raw = bytearray((tmp_path / "data.npz").read_bytes())
    raw[3000] ^= 1  # in the midst of x
    (tmp_path / "data.npz").write_bytes(raw)
    with pytest.raises(InputError, match=r"'data.npz' cannot be read as npz \(Bad CRC-32"):
        load(tmp_path / "data.npz")
