"""Arrays in files: when they are used, where they are, and that they are deleted."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from goodfit.data import storage
from goodfit.data.storage import (
    RowSubset,
    allocate,
    block_slices,
    blocks,
    concatenate,
    default_cache_folder,
    is_large,
    is_mapped,
    take_rows,
)
from goodfit.errors import InputError
from goodfit.memory import free_memory


def test_arrays_of_half_the_free_memory_are_large() -> None:
    assert is_large(int(0.5 * free_memory()))
    assert not is_large(2**20)


def test_the_default_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_folder() == tmp_path / "goodfit"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    assert default_cache_folder() == tmp_path / "home" / ".cache" / "goodfit"

    def no_home() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(InputError, match=r"no home folder .* load\(…, cache=FOLDER\)"):
        default_cache_folder()


def test_allocated_arrays_are_zeros_and_leave_no_files(tmp_path: Path) -> None:
    assert not is_mapped(allocate((2, 3), np.float32))
    array = allocate((2, 3), np.int16, tmp_path / "deep" / "cache", mapped=True)
    assert is_mapped(array)
    assert (array.shape, array.dtype, array.any()) == ((2, 3), np.int16, np.False_)
    tensor = torch.from_numpy(array)
    tensor[1, 2] = 7
    assert array[1, 2] == 7
    assert not any((tmp_path / "deep" / "cache").iterdir())
    assert allocate((0, 3), np.float32, mapped=True).shape == (0, 3)


def test_views_of_mapped_arrays_are_mapped(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((4, 3, 2)))
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    for view in (x, np.asarray(x), x[1:], np.moveaxis(x, -1, 1), x.reshape(4, -1)[:, None]):
        assert is_mapped(view)
    for other in (x[[0, 1]], x + 1, x.copy(), [1], None):
        assert not is_mapped(other)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=10))
    with pytest.raises(InputError) as raised:
        allocate((100, 100), np.float32, tmp_path, mapped=True)
    assert str(raised.value) == (
        f"cache: 4e-05 GB of data cannot be written to '{tmp_path}' (No space left on device); free some space there, "
        "or name another folder: load(…, cache=FOLDER)."
    )


def test_blocks_cover_all_rows_once_and_are_bounded() -> None:
    x = np.arange(3 * 2**21).reshape(-1, 2**15)
    every = list(blocks(x))
    assert np.array_equal(np.concatenate(every), x)
    assert max(block.size for block in every) <= storage.VALUES
    rows = np.arange(len(x))[::-1]
    assert np.array_equal(np.concatenate(list(blocks(RowSubset(x, rows)))), x[rows])
    assert [rows.stop for rows in block_slices(np.zeros((3, storage.VALUES + 1), np.uint8))] == [1, 2, 3]
    assert all(block.flags.c_contiguous for block in blocks(np.asfortranarray(x)))


def test_rows_and_concatenations_of_tensors_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for x in (torch.randn(600, 20_000), torch.arange(12).reshape(6, 2)):
        rows = torch.randperm(len(x))[:-1]
        taken_rows, both = x[rows], torch.cat([x, x[:2]])
        for share in (0.25, 0.0):
            monkeypatch.setattr(storage, "SHARE", share)
            for result, expected in ((take_rows(x, rows), taken_rows), (concatenate([x, x[:2]]), both)):
                assert torch.equal(result, expected)
                assert result.dtype == expected.dtype
    assert (tmp_path / "goodfit").is_dir()
    assert concatenate([x]) is x
