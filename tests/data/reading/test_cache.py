"""The cache of decoded files: files are decoded once, and an entry is written whole or not at all."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from PIL import Image

from goodfit.data import Images, Options, load, storage
from goodfit.data.reading import images, sounds
from goodfit.data.reading.cache import LOCK, STALE, Source, compact_rows, decode_cached
from goodfit.data.storage import is_mapped
from goodfit.errors import InputError
from goodfit.types import Array

Counted = list[Path]


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Twelve noisy images each of two classes, in a train and a test part."""
    rng = np.random.default_rng(0)
    for part, count in (("train", 12), ("test", 4)):
        for number in range(count):
            for kind in ("cats", "dogs"):
                path = tmp_path / "pets" / part / kind / f"{number:02}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8)).save(path)
    return tmp_path / "pets"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Counted:
    """The files that are decoded or inspected."""
    opened_files: Counted = []

    def counting(call: Callable[..., object]) -> Callable[..., object]:
        return lambda file, *form: (opened_files.append(file), call(file, *form))[1]

    for module in (images, sounds):
        for name in ("decode", "inspect"):
            monkeypatch.setattr(module, name, counting(getattr(module, name)))
    return opened_files


def entries(cache: Path) -> list[Path]:
    return sorted(file for file in cache.iterdir() if file.name != LOCK) if cache.exists() else []


def test_the_second_load_opens_no_file(pets: Path, tmp_path: Path, opened: Counted) -> None:
    plain = load(pets)
    assert len(opened) == 2 * 32
    assert plain.test is not None
    for load_number, more in ((1, 2 * 32), (2, 0)):
        opened.clear()
        data = load(pets, cache=tmp_path / "cache")
        assert len(opened) == more, load_number
        assert data.test is not None
        assert is_mapped(data.x)
        assert is_mapped(data.test[0])
        assert data.x.dtype == plain.x.dtype
        for got, expected in ((data.x, plain.x), (data.y, plain.y), *zip(data.test, plain.test, strict=True)):
            assert np.array_equal(got, expected)
    assert [entry.name.split("-")[0] for entry in entries(tmp_path / "cache")] == ["test", "train"]


def test_changed_files_are_decoded_again(pets: Path, tmp_path: Path, opened: Counted) -> None:
    cache = tmp_path / "cache"
    load(pets, cache=cache)
    opened.clear()
    assert load(pets, options=Images(size=5), cache=cache).x.shape[2:] == (5, 5)
    assert len(opened) == 2 * 32
    opened.clear()
    one = pets / "train" / "cats" / "03.png"
    status = one.stat()
    Image.fromarray(np.zeros((6, 8, 3), np.uint8)).save(one)
    os.utime(one, ns=(status.st_atime_ns, status.st_mtime_ns))  # as old as before, but not as large
    assert not load(pets, cache=cache).x[3].any()
    assert len(opened) == 2 * 24  # the test part stays
    opened.clear()
    os.utime(one, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    load(pets, cache=cache)
    one.rename(one.with_name("13.png"))
    assert not load(pets, cache=cache).x[11].any()
    assert len(opened) == 4 * 24


def test_folders_whose_files_look_alike_are_distinguished(tmp_path: Path) -> None:
    for root, shade in (("one", 10), ("two", 20)):
        for kind in ("cats", "dogs"):
            for number in range(2):
                path = tmp_path / root / kind / f"{number}.bmp"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("L", (4, 4), shade).save(path)
                os.utime(path, (0, 0))
    shades = [int(load(tmp_path / root, cache=tmp_path / "cache").x.max()) for root in ("one", "two")]
    assert shades == [10, 20]


def test_data_that_fits_into_memory_is_not_cached(
    pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert not is_mapped(load(pets).x)
    assert not (tmp_path / "home").exists()
    monkeypatch.setattr(storage, "SHARE", 0.0)
    data = load(pets)
    assert is_mapped(data.x)
    assert len(entries(tmp_path / "home" / "goodfit")) == 2
    assert "'train' is large and is kept decoded in" in caplog.text
    caplog.clear()
    assert np.array_equal(load(pets).x, data.x)
    assert not caplog.text


def test_damaged_files_are_remembered(
    pets: Path, tmp_path: Path, opened: Counted, caplog: pytest.LogCaptureFixture
) -> None:
    cache, plain = tmp_path / "cache", load(pets)
    (pets / "train" / "cats" / "00b.png").write_bytes(b"no image")
    cut = pets / "train" / "dogs" / "00b.png"  # it looks well
    cut.write_bytes((pets / "train" / "dogs" / "00.png").read_bytes()[:100])
    with pytest.raises(InputError, match="2 of 26 files cannot be read"):
        load(pets, cache=cache)
    assert entries(cache) == []
    messages = []
    for _ in range(2):
        opened.clear()
        caplog.clear()
        data = load(pets, options=Options(damaged="skip"), cache=cache)
        messages.append(caplog.messages)
        assert np.array_equal(data.x, plain.x)
        assert np.array_equal(data.y, plain.y)
    assert not opened
    assert messages[0] == messages[1]
    assert "2 of 26 files cannot be read" in messages[0][0]
    with pytest.raises(InputError, match="2 of 26 files cannot be read"):
        load(pets, cache=cache)


def test_interrupted_decoding_leaves_nothing(
    pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, opened: Counted
) -> None:
    cache, before = tmp_path / "cache", images.decode

    def broken(file: Path, form: images.ImageFormat) -> Array:
        if file.name == "07.png":
            raise KeyboardInterrupt
        return before(file, form)

    monkeypatch.setattr(images, "decode", broken)
    with pytest.raises(KeyboardInterrupt):
        load(pets, cache=cache)
    assert entries(cache) == []
    monkeypatch.setattr(images, "decode", before)
    assert len(load(pets, cache=cache)) == 24


def test_an_incomplete_entry_is_written_again(pets: Path, tmp_path: Path) -> None:
    cache, plain = tmp_path / "cache", load(pets)

    def spoil(how: Callable[[Path], object]) -> None:
        load(pets, cache=cache)
        for entry in entries(cache):
            how(entry)
        assert np.array_equal(load(pets, cache=cache).x, plain.x)

    spoil(lambda entry: os.truncate(entry / "0.npy", 500))
    spoil(lambda entry: (entry / "0.npy").unlink())
    spoil(lambda entry: (entry / "about.json").write_text("{"))
    spoil(lambda entry: (entry / "about.json").write_text(json.dumps({"arrays": [["0.npy", 24]], "said": []})))


def test_remains_of_a_dead_process_are_removed(pets: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    old, new = cache / "birds-12.part-1-2", cache / "birds-12.part-3-4"
    for part in (old, new):
        part.mkdir(parents=True)
        (part / "0.npy").write_bytes(b"x")
    for path in (old / "0.npy", old):
        os.utime(path, (time.time() - STALE - 60,) * 2)
    load(pets, cache=cache)
    assert not old.exists()
    assert new.exists()


def test_folders_that_cannot_be_written_are_refused(
    pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("here")
    with pytest.raises(InputError, match=r"cache: .* GB of data cannot be written to '.*file' \(File exists\); free"):
        load(pets, cache=tmp_path / "file")
    for folder in ("", 3, b"x"):
        with pytest.raises(InputError, match="load: cache must be a folder, got"):
            load(pets, cache=folder)  # type: ignore[arg-type]
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=100))
    with pytest.raises(
        InputError, match=r"cannot be written to '.*cache' \(No space left on device\); free some space there, or"
    ):
        load(pets, cache=tmp_path / "cache")
    assert entries(tmp_path / "cache") == []


@pytest.mark.skipif(not hasattr(os, "posix_fallocate"), reason="this system reserves no space")
def test_space_is_reserved_before_it_is_used(pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: object) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(InputError, match=r"quota exceeded"):
        load(pets, cache=tmp_path / "cache")
    assert entries(tmp_path / "cache") == []


@dataclasses.dataclass(frozen=True)
class Shape:
    sides: tuple[int, ...]


def test_of_writers_at_once_one_entry_is_kept_and_all_read_it(tmp_path: Path) -> None:
    """Each writer puts its entry in place while others read theirs: none may be removed under a reader."""
    (tmp_path / "data").mkdir()
    expected, met = Source(tmp_path / "data", [], (), 3), Barrier(8)

    def work(make: Callable[..., Array]) -> tuple[list[Array], Shape]:
        x = make((3, 2), np.float32)
        x[:] = 1
        met.wait(60)
        return [x, np.arange(3)], Shape((3, 2))

    with ThreadPoolExecutor(8) as pool:
        for repeat in range(20):
            cache = tmp_path / f"cache {repeat}"
            every = list(pool.map(lambda _, to=cache: decode_cached(expected, to, "refuse", Shape, work), range(8)))
            for arrays, form in every:
                assert np.array_equal(arrays[0], np.ones((3, 2)))
                assert arrays[1].tolist() == [0, 1, 2]
                assert form == Shape((3, 2))
            assert len(entries(cache)) == 1


def test_remaining_rows_move_to_the_front() -> None:
    x = np.arange(10)[:, None]
    assert compact_rows(x, [1, 4, 9])[:, 0].tolist() == [1, 4, 9]
    assert compact_rows(np.arange(3), range(3)).tolist() == [0, 1, 2]
