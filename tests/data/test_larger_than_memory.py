"""Data in files: the same bits as in memory, and the memory that is saved."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import goodfit as gf
from goodfit.data import Split, from_tensors, load, storage
from goodfit.data.duplicates import row_codes
from goodfit.data.split import PARTS
from goodfit.data.storage import is_mapped
from goodfit.errors import InputError
from goodfit.types import Array

RNG = np.random.default_rng(0)
Keep = Callable[[Array], Array]


@pytest.fixture
def keep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keep:
    """Puts an array into a file; what is made of it goes into the test's own cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def kept(x: Array) -> Array:
        np.save(tmp_path / "x.npy", x)
        found: Array = np.load(tmp_path / "x.npy", mmap_mode="r")
        return found

    return kept


def same(one: Split, other: Split) -> None:
    assert one.preprocessing is not None
    assert other.preprocessing is not None
    assert one.preprocessing.to_dict() == other.preprocessing.to_dict()
    assert one.text == other.text
    for name in PARTS:
        a, b = one.parts[name], other.parts[name]
        assert a.x.dtype == b.x.dtype
        assert torch.equal(a.x, b.x)
        assert torch.equal(a.y, b.y)
        assert np.array_equal(a.rows, b.rows)


@pytest.fixture
def rooms(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether each array that was made lies in a file."""
    found: list[bool] = []

    def counting(*given: object, **options: object) -> Array:
        made = before(*given, **options)  # type: ignore[arg-type]
        found.append(is_mapped(made))
        return made

    before = storage.room
    monkeypatch.setattr("goodfit.data.arrays.room", counting)
    return found


CASES = {
    "images": (RNG.integers(0, 256, (5000, 6, 5, 3), np.uint8), {}),
    "images of floats": (RNG.normal(3, 2, (300, 40, 40, 3)).astype(np.float32), {}),
    "whitened": (RNG.normal(3, 2, (5000, 1, 6, 6)), {"whiten": 0.1}),
    "sounds": (RNG.normal(0, 0.1, (2500, 1, 2000)).astype(np.float32), {"kind": "sound", "rate": 8000}),
    "halves": (RNG.normal(0, 0.1, (100, 2, 50)).astype(np.float16), {}),
    "a table": (RNG.normal(5, 3, (9000, 7)), {}),
}


@pytest.mark.parametrize("case", CASES)
def test_splits_are_the_same_to_the_bit(case: str, keep: Keep, rooms: list[bool]) -> None:
    x, options = CASES[case]
    y = np.arange(len(x)) % 3
    plain = load((x, y), **options).split(3)  # type: ignore[arg-type]
    assert not any(rooms)
    rooms.clear()
    lazy = load((keep(x), y), **options)  # type: ignore[arg-type]
    assert is_mapped(lazy.x)
    split = lazy.split(3)
    assert len(rooms) >= 4
    assert all(rooms)
    same(plain, split)


def test_large_arrays_in_memory_too(keep: Keep, rooms: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = RNG.normal(size=(500, 8, 8, 3)).astype(np.float32), RNG.normal(size=500)
    plain = load((x, y)).split()
    monkeypatch.setattr(storage, "SHARE", 0.0)
    rooms.clear()
    lazy = load((x, y)).split()
    assert len(rooms) >= 4
    assert all(rooms)
    same(plain, lazy)


def test_folds_and_an_official_test_part(keep: Keep, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = RNG.integers(0, 256, (200, 6, 6), np.uint8), np.arange(200) % 2
    x[190] = x[3]
    np.savez(tmp_path / "data.npz", x_train=x[:150], y_train=y[:150], x_test=x[150:], y_test=y[150:])
    whole = load(tmp_path / "data.npz")
    plain = whole.split(), *whole.folds(3)
    assert plain[0].duplicates.total == 1
    monkeypatch.setattr(storage, "SHARE", 0.0)
    lazy = load(tmp_path / "data.npz")
    assert is_mapped(lazy.x)
    for one, other in zip(plain, (lazy.split(), *lazy.folds(3)), strict=True):
        same(one, other)


def test_numbers_that_are_not_finite_are_named_in_later_pieces(keep: Keep) -> None:
    x = np.zeros((9000, 4))
    x[8000, 2], x[8500, 1] = np.nan, np.inf
    with pytest.raises(InputError, match=r"NaN in row 8000, column 2 .*; 2 such values"):
        load((keep(x), np.arange(9000) % 2))


def test_codes_of_rows_over_several_arrays(keep: Keep) -> None:
    x = RNG.integers(0, 3, (5000, 2)).astype(np.uint8)
    wide = np.repeat(x, 40, 1)
    wanted = np.unique(x, axis=0, return_inverse=True)[1]
    for data in (x, wide, keep(wide)):
        codes = row_codes(data[:3000], data[3000:].astype(np.int64))
        assert len(set(zip(codes.tolist(), wanted.tolist(), strict=True))) == len(set(wanted.tolist()))
        assert len(set(codes.tolist())) == len(set(wanted.tolist()))


def test_tensors_in_files_make_a_split(keep: Keep) -> None:
    x = torch.from_numpy(np.array(CASES["a table"][0][:50], np.float32))
    mapped = torch.from_numpy(storage.room(x.shape, np.float32, mapped=True)).copy_(x)
    y = torch.arange(50) % 2
    one, other = (from_tensors((each, y), (each[:5], y[:5])) for each in (x, mapped))
    assert one.duplicates == other.duplicates
    assert other.train.x is mapped


@pytest.mark.parametrize("recipe", ["", "horizontal_flip=0.5, cutmix=0.5, sam=0.05", "fgsm=0.1, swa=1"])
def test_training_is_the_same_to_the_bit(recipe: str, keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = RNG.integers(0, 256, (2600, 6, 5, 3), np.uint8), np.arange(2600) % 3
    training = gf.Training(epochs=2, batch_size=256)
    plain = gf.fit("mlp:8", load((x, y)).split(), recipe, training)
    monkeypatch.setattr("goodfit.train.evaluate.ROWS", 500)
    with_sample = gf.fit("mlp:8", load((x, y)).split(), recipe, training)
    monkeypatch.setattr(storage, "SHARE", 0.0)
    lazy = gf.fit("mlp:8", load((keep(x), y)).split(), recipe, training)
    for name, value in plain.model.state_dict().items():
        assert torch.equal(lazy.model.state_dict()[name], value)
    for one, other in zip(with_sample.history.rows, lazy.history.rows, strict=True):
        assert {k: v for k, v in one.items() if k != "seconds"} == {k: v for k, v in other.items() if k != "seconds"}


@pytest.mark.parametrize("threads", [1, 2])
def test_populations_take_tensors_in_files(threads: int, keep: Keep, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = RNG.integers(0, 256, (400, 6, 5, 3), np.uint8), np.arange(400) % 3
    training, recipes = gf.Training(epochs=2, batch_size=64), ["", "dropout=0.3", "l2=1e-3"]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        found = []
        for data in (x, keep(x)):
            monkeypatch.setattr(storage, "SHARE", 0.25 if data is x else 0.0)
            splits = {seed: load((data, y)).split(seed) for seed in range(2)}
            found.append(gf.fit_many("mlp:8", splits, recipes, training, population=True))
    finally:
        torch.set_num_threads(before)
    for one, other in zip(*found, strict=True):
        for name, value in one.model.state_dict().items():
            assert torch.allclose(other.model.state_dict()[name], value, atol=1e-6)


MEASURE = """
    import json, sys
    import numpy as np
    import goodfit as gf
    from goodfit.data import storage

    storage.VALUES = 2**18  # what is handled at once is small beside these data, as beside larger ones

    def anonymous():
        lines = open("/proc/self/status").read().splitlines()
        return 1024 * int(next(line.split()[1] for line in lines if line.startswith("RssAnon")))

    def fit(data):
        split = data.split()
        return data, split, gf.fit("mlp:2", split, "", gf.Training(epochs=1, batch_size=32), progress=False)

    small = np.zeros((40, 8, 8, 3), np.uint8)
    small[::2] = 1
    fit(gf.load((small, np.arange(40) % 2)))  # what torch takes once and for all
    told = {}
    for way, options in (("lazy", {"cache": sys.argv[2]}), ("plain", {})):
        kept = None
        before = anonymous()
        kept = fit(gf.load(sys.argv[1], **options))
        told[way] = anonymous() - before, kept[2].history.rows[-1]["stop_loss"]
    print(json.dumps(told))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="this system does not tell what memory is taken")
def test_memory_stays_bounded(tmp_path: Path) -> None:
    from PIL import Image

    for number in range(400):
        path = tmp_path / "noise" / str(number % 2) / f"{number}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (128, 128, 3), np.uint8)).save(path)
    decoded = 400 * 128 * 128 * 3
    command = [sys.executable, "-c", textwrap.dedent(MEASURE), tmp_path / "noise", tmp_path / "cache"]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr
    (lazy, loss), (plain, same_loss) = json.loads(done.stdout.splitlines()[-1]).values()
    assert loss == same_loss
    assert plain > 4 * decoded  # a byte and a float for each value
    assert lazy < 1.5 * decoded
