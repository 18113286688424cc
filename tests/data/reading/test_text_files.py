from __future__ import annotations

import gzip
import json
import logging
from pathlib import Path

import pytest

from goodfit.data import Texts, load
from goodfit.data.reading.files import features
from goodfit.errors import InputError


def lines(count: int = 60) -> list[str]:
    sentences = [("win a big prize now", "spam"), ("see you at home", "ham")]
    rows = [{"text": f"{sentences[i % 2][0]} {i}", "label": sentences[i % 2][1]} for i in range(count)]
    return [json.dumps(row, ensure_ascii=False) for row in rows]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.ndjson"])
def test_json_lines(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    text = "\n".join([*lines(), "", json.dumps({"text": "你好 👍 again", "label": "ham"}, ensure_ascii=False)])
    path.write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    data = load(path, "label")
    assert (data.kind, len(data), data.classes) == ("text", 61, ("ham", "spam"))
    assert data.x["text"].iloc[-1] == "你好 👍 again"
    assert load(path).target == "label"
    assert len(features(str(path))) == 61


def test_damaged_lines(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join([*lines(), '{"text": "cut off', "[1, 2]"]), "utf-8")
    with pytest.raises(InputError, match=r"2 of 62 lines of 'a.jsonl' cannot be read \('61', '62'\); repair or remove"):
        load(path)
    with caplog.at_level(logging.WARNING, "goodfit"):
        assert len(load(path, options=Texts(damaged="skip"))) == 60
    assert "2 of 62 lines" in caplog.text
    path.write_text("", "utf-8")
    with pytest.raises(InputError, match=r"'a\.jsonl' is empty"):
        load(path)
    path.write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(InputError, match=r"'a\.jsonl' cannot be read as JSON lines"):
        load(path)


def folder(root: Path, count: int = 6) -> None:
    for name, sentences in (("good", "a happy day"), ("bad", "a sad day")):
        (root / name).mkdir(parents=True)
        for i in range(count):
            (root / name / f"{i}.txt").write_text(f"{sentences} {i} ☀", "utf-8")
    (root / ".DS_Store").write_text("x")


def test_a_folder_of_texts(tmp_path: Path) -> None:
    folder(tmp_path)
    data = load(tmp_path)
    assert (data.kind, data.classes, data.target) == ("text", ("bad", "good"), "class")
    assert sorted(data.x["text"])[0] == "a happy day 0 ☀"
    assert [data.classes[k] for k in data.y] == ["bad"] * 6 + ["good"] * 6


def test_an_official_test_part(tmp_path: Path) -> None:
    folder(tmp_path / "train", 10)
    folder(tmp_path / "test", 3)
    data = load(tmp_path)
    assert (len(data), len(data.test[1])) == (20, 6)
    split = data.split(0, sizes=(0.6, 0.2, 0.2, 0.0))
    assert split.test.x.shape == (6, split.train.x.shape[1])


def test_damaged_files_and_empty_classes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder(tmp_path)
    (tmp_path / "none").mkdir()
    (tmp_path / "good" / "0.txt").write_bytes(b"\xff\xff\xff")
    with pytest.raises(InputError, match=r"1 of 12 files cannot be read: 'good/0.txt'"):
        load(tmp_path)
    with caplog.at_level(logging.WARNING, "goodfit"):
        assert len(load(tmp_path, options=Texts(damaged="skip"))) == 11
    assert "no texts in 'none'" in caplog.text


def test_hidden_folders_do_not_count(tmp_path: Path) -> None:
    folder(tmp_path)
    (tmp_path / "good" / ".ipynb_checkpoints").mkdir()
    for i in range(20):
        (tmp_path / "good" / ".ipynb_checkpoints" / f"{i}.png").touch()
    assert len(load(tmp_path)) == 12
