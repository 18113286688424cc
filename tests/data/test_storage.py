"""Arrays in files: when, where, and that nothing is left of them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from goodfit.data import storage
from goodfit.data.storage import Picked, chosen, is_mapped, joined, large, parts, pieces, room, usual_folder
from goodfit.errors import InputError
from goodfit.memory import free_memory


def test_arrays_of_half_the_free_memory_are_large() -> None:
    assert large(int(0.5 * free_memory()))
    assert not large(2**20)


def test_the_usual_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert usual_folder() == tmp_path / "goodfit"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    assert usual_folder() == tmp_path / "home" / ".cache" / "goodfit"

    def nobody() -> Path:
        raise RuntimeError

    monkeypatch.setattr(Path, "home", nobody)
    with pytest.raises(InputError, match=r"no home folder .* load\(…, cache=FOLDER\)"):
        usual_folder()


def test_rooms_are_zeros_and_leave_nothing_behind(tmp_path: Path) -> None:
    assert not is_mapped(room((2, 3), np.float32))
    made = room((2, 3), np.int16, tmp_path / "deep" / "cache", mapped=True)
    assert is_mapped(made)
    assert (made.shape, made.dtype, made.any()) == ((2, 3), np.int16, np.False_)
    tensor = torch.from_numpy(made)
    tensor[1, 2] = 7
    assert made[1, 2] == 7
    assert not any((tmp_path / "deep" / "cache").iterdir())
    assert room((0, 3), np.float32, mapped=True).shape == (0, 3)


def test_what_is_mapped(tmp_path: Path) -> None:
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
        room((100, 100), np.float32, tmp_path, mapped=True)
    assert str(raised.value) == (
        f"cache: 4e-05 GB of data cannot be kept in '{tmp_path}' (No space left on device); make room there, or name "
        "another folder: load(…, cache=FOLDER)."
    )


def test_pieces_cover_all_rows_once_and_are_bounded() -> None:
    x = np.arange(3 * 2**21).reshape(-1, 2**15)
    found = list(pieces(x))
    assert np.array_equal(np.concatenate(found), x)
    assert max(piece.size for piece in found) <= storage.VALUES
    rows = np.arange(len(x))[::-1]
    assert np.array_equal(np.concatenate(list(pieces(Picked(x, rows)))), x[rows])
    assert [part.stop for part in parts(np.zeros((3, storage.VALUES + 1), np.uint8))] == [1, 2, 3]
    assert all(piece.flags.c_contiguous for piece in pieces(np.asfortranarray(x)))


def test_rows_and_joints_of_tensors_in_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for x in (torch.randn(600, 20_000), torch.arange(12).reshape(6, 2)):
        rows = torch.randperm(len(x))[:-1]
        picked, both = x[rows], torch.cat([x, x[:2]])
        for share in (0.25, 0.0):
            monkeypatch.setattr(storage, "SHARE", share)
            for found, wanted in ((chosen(x, rows), picked), (joined([x, x[:2]]), both)):
                assert torch.equal(found, wanted)
                assert found.dtype == wanted.dtype
    assert (tmp_path / "goodfit").is_dir()
    assert joined([x]) is x
