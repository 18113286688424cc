"""Files are written whole or not at all, and damaged files are named."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from goodfit.errors import InputError
from goodfit.serialization import read_json, read_tensors, to_json, write_bytes, write_json, write_tensors


def test_numbers_that_are_not_finite_become_text() -> None:
    data = {"a": [1.5, math.nan, (-math.inf, 2)], "b": {"c": math.inf, "d": None, "é": True}}
    text = to_json(data)
    assert text == '{"a": [1.5, "nan", ["-inf", 2]], "b": {"c": "inf", "d": null, "é": true}}'
    assert math.isnan(float(json.loads(text)["a"][1]))


def test_json_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "new" / "data.json"
    write_json(path, {"rows": [1, 2], "name": "Zürich"})
    assert read_json(path) == {"rows": [1, 2], "name": "Zürich"}
    assert [file.name for file in path.parent.iterdir()] == ["data.json"]


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe"])
def test_damaged_json_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "data.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"data.json' is damaged \(.*\); train again\."):
        read_json(path)


@pytest.mark.parametrize("read", [read_json, read_tensors])
def test_missing_files_are_named(tmp_path: Path, read: object) -> None:
    with pytest.raises(InputError, match=r"there is no file '.*missing'; is this the folder of a run\?"):
        read(tmp_path / "missing")  # type: ignore[operator]


def test_tensors_round_trip_with_plain_data(tmp_path: Path) -> None:
    tensors = {
        "weight": torch.randn(3, 4).t(),  # not contiguous
        "half": torch.tensor([0.5, -1.0], dtype=torch.bfloat16),
        "count": torch.tensor(7),
        "empty": torch.zeros(0, 2),
        "trained": torch.ones(2, requires_grad=True),
    }
    tensors["same"] = tensors["half"]  # two names for one tensor
    write_tensors(tmp_path / "w.safetensors", tensors, {"epoch": 3, "loss": math.inf})
    back, metadata = read_tensors(tmp_path / "w.safetensors")
    assert metadata == {"epoch": 3, "loss": "inf"}
    assert back.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert (back[name].dtype, back[name].requires_grad) == (tensor.dtype, False)
        assert torch.equal(back[name], tensor)


@pytest.mark.parametrize("kept", [0, 4, 40, -1])
def test_truncated_tensors_are_named(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "w.safetensors"
    write_tensors(path, {"w": torch.ones(5)})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(InputError, match=r"w.safetensors' is damaged \(.*\); train again\."):
        read_tensors(path)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data"
    write_bytes(path, b"old")

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["data"]


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot be read .*; check its permissions"):
        read_json(tmp_path)
