"""Data in files: results are bit-identical to those in memory, and use less memory."""

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
from goodfit.data import Images, Sounds, Split, from_tensors, load, storage
from goodfit.data.duplicates import row_codes
from goodfit.data.split import PARTS
from goodfit.data.storage import is_mapped
from goodfit.errors import InputError
from goodfit.types import Array

RNG = np.random.default_rng(0)
ToFile = Callable[[Array], Array]


@pytest.fixture
def to_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ToFile:
    """Saves an array and maps the file; arrays computed from it go into the test's own cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def save_and_map(x: Array) -> Array:
        np.save(tmp_path / "x.npy", x)
        mapped: Array = np.load(tmp_path / "x.npy", mmap_mode="r")
        return mapped

    return save_and_map


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
def allocations(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """For each array that is allocated, whether it is in a file."""
    mapped: list[bool] = []

    def recording(*arguments: object, **options: object) -> Array:
        array = allocate(*arguments, **options)  # type: ignore[arg-type]
        mapped.append(is_mapped(array))
        return array

    allocate = storage.allocate
    monkeypatch.setattr("goodfit.data.arrays.allocate", recording)
    return mapped


CASES = {
    "images": (RNG.integers(0, 256, (5000, 6, 5, 3), np.uint8), {}),
    "images of floats": (RNG.normal(3, 2, (300, 40, 40, 3)).astype(np.float32), {}),
    "whitened": (RNG.normal(3, 2, (5000, 1, 6, 6)), {"options": Images(whiten=0.1)}),
    "sounds": (RNG.normal(0, 0.1, (2500, 1, 2000)).astype(np.float32), {"options": Sounds(rate=8000)}),
    "halves": (RNG.normal(0, 0.1, (100, 2, 50)).astype(np.float16), {}),
    "a table": (RNG.normal(5, 3, (9000, 7)), {}),
}


@pytest.mark.parametrize("case", CASES)
def test_splits_are_the_same_to_the_bit(case: str, to_file: ToFile, allocations: list[bool]) -> None:
    x, options = CASES[case]
    y = np.arange(len(x)) % 3
    plain = load((x, y), **options).split(3)  # type: ignore[arg-type]
    assert not any(allocations)
    allocations.clear()
    lazy = load((to_file(x), y), **options)  # type: ignore[arg-type]
    assert is_mapped(lazy.x)
    split = lazy.split(3)
    assert len(allocations) >= 4
    assert all(allocations)
    same(plain, split)


def test_large_arrays_in_memory_too(to_file: ToFile, allocations: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = RNG.normal(size=(500, 8, 8, 3)).astype(np.float32), RNG.normal(size=500)
    plain = load((x, y)).split()
    monkeypatch.setattr(storage, "SHARE", 0.0)
    allocations.clear()
    lazy = load((x, y)).split()
    assert len(allocations) >= 4
    assert all(allocations)
    same(plain, lazy)


def test_folds_and_an_official_test_part(to_file: ToFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_values_that_are_not_finite_are_reported_in_later_blocks(to_file: ToFile) -> None:
    x = np.zeros((9000, 4))
    x[8000, 2], x[8500, 1] = np.nan, np.inf
    with pytest.raises(InputError, match=r"NaN in row 8000, column 2 .*; 2 such values"):
        load((to_file(x), np.arange(9000) % 2))


def test_codes_of_rows_over_several_arrays(to_file: ToFile) -> None:
    x = RNG.integers(0, 3, (5000, 2)).astype(np.uint8)
    wide = np.repeat(x, 40, 1)
    expected = np.unique(x, axis=0, return_inverse=True)[1]
    for data in (x, wide, to_file(wide)):
        codes = row_codes(data[:3000], data[3000:].astype(np.int64))
        assert len(set(zip(codes.tolist(), expected.tolist(), strict=True))) == len(set(expected.tolist()))
        assert len(set(codes.tolist())) == len(set(expected.tolist()))


def test_tensors_in_files_make_a_split(to_file: ToFile) -> None:
    x = torch.from_numpy(np.array(CASES["a table"][0][:50], np.float32))
    mapped = torch.from_numpy(storage.allocate(x.shape, np.float32, mapped=True)).copy_(x)
    y = torch.arange(50) % 2
    one, other = (from_tensors((each, y), (each[:5], y[:5])) for each in (x, mapped))
    assert one.duplicates == other.duplicates
    assert other.train.x is mapped


@pytest.mark.parametrize("recipe", ["", "horizontal_flip=0.5, cutmix=0.5, sam=0.05", "fgsm=0.1, swa=1"])
def test_training_is_the_same_to_the_bit(recipe: str, to_file: ToFile, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = RNG.integers(0, 256, (2600, 6, 5, 3), np.uint8), np.arange(2600) % 3
    training = gf.Training(epochs=2, batch_size=256)
    plain = gf.fit("mlp:8", load((x, y)).split(), recipe, training)
    monkeypatch.setattr("goodfit.train.evaluate.MAX_ROWS", 500)
    with_sample = gf.fit("mlp:8", load((x, y)).split(), recipe, training)
    monkeypatch.setattr(storage, "SHARE", 0.0)
    lazy = gf.fit("mlp:8", load((to_file(x), y)).split(), recipe, training)
    for name, value in plain.model.state_dict().items():
        assert torch.equal(lazy.model.state_dict()[name], value)
    for one, other in zip(with_sample.history.rows, lazy.history.rows, strict=True):
        assert {k: v for k, v in one.items() if k != "seconds"} == {k: v for k, v in other.items() if k != "seconds"}


@pytest.mark.parametrize("threads", [1, 2])
def test_populations_take_tensors_in_files(threads: int, to_file: ToFile, monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = RNG.integers(0, 256, (400, 6, 5, 3), np.uint8), np.arange(400) % 3
    training, recipes = gf.Training(epochs=2, batch_size=64), ["", "dropout=0.3", "l2=1e-3"]
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        results = []
        for data in (x, to_file(x)):
            monkeypatch.setattr(storage, "SHARE", 0.25 if data is x else 0.0)
            splits = {seed: load((data, y)).split(seed) for seed in range(2)}
            results.append(gf.fit_many("mlp:8", splits, recipes, training, population=True))
    finally:
        torch.set_num_threads(before)
    for one, other in zip(*results, strict=True):
        for name, value in one.model.state_dict().items():
            assert torch.allclose(other.model.state_dict()[name], value, atol=1e-6)


MEASURE = """
    import json, sys
    import numpy as np
    import goodfit as gf
    from goodfit.data import storage

    storage.VALUES = 2**18  # blocks are small in comparison with these data, as with larger ones

    def anonymous():
        lines = open("/proc/self/status").read().splitlines()
        return 1024 * int(next(line.split()[1] for line in lines if line.startswith("RssAnon")))

    def fit(data):
        split = data.split()
        return data, split, gf.fit("mlp:2", split, "", gf.Training(epochs=1, batch_size=32), progress=False)

    small = np.zeros((40, 8, 8, 3), np.uint8)
    small[::2] = 1
    fit(gf.load((small, np.arange(40) % 2)))  # memory that torch allocates once
    results = {}
    for way, options in (("lazy", {"cache": sys.argv[2]}), ("plain", {})):
        result = None
        before = anonymous()
        result = fit(gf.load(sys.argv[1], **options))
        results[way] = anonymous() - before, result[2].history.rows[-1]["stop_loss"]
    print(json.dumps(results))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system does not report a process's memory")
def test_memory_stays_bounded(tmp_path: Path) -> None:
    from PIL import Image

    for number in range(400):
        path = tmp_path / "noise" / str(number % 2) / f"{number}.bmp"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(RNG.integers(0, 256, (128, 128, 3), np.uint8)).save(path)
    decoded = 400 * 128 * 128 * 3
    command = [sys.executable, "-c", textwrap.dedent(MEASURE), tmp_path / "noise", tmp_path / "cache"]
    process = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert process.returncode == 0, process.stderr
    (lazy, loss), (plain, same_loss) = json.loads(process.stdout.splitlines()[-1]).values()
    assert loss == same_loss
    assert plain > 4 * decoded  # a byte and a float per value
    assert lazy < 1.5 * decoded
