import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from goodfit.data import load
from goodfit.data.reading.files import read_table, sniff
from goodfit.errors import InputError, MissingExtra

ROWS = "1.5,red,no\n2.5,,yes\n,blue,no\n4.5,red,yes\n"


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "sign"), [("t.csv", ","), ("t.csv", ";"), ("t.csv", "|"), ("t.tsv", "\t"), ("t.txt", "\t")]
)
def test_separators(tmp_path: Path, name: str, sign: str) -> None:
    frame = read_table(write(tmp_path / name, ("a,colour,y\n" + ROWS).replace(",", sign)), "y")
    assert list(frame.columns) == ["a", "colour", "y"]
    assert frame["a"].isna().tolist() == [False, False, True, False]
    assert frame["colour"].isna().sum() == 1


def test_decimal_comma(tmp_path: Path) -> None:
    frame = read_table(write(tmp_path / "t.csv", "a;b\n1,5;2,25\n-3,0;4\n"), None)
    assert frame["a"].tolist() == [1.5, -3.0]
    assert sniff("a;b\n1,5;2.25\n", Path("t.csv")) == (";", ".")


def test_packed_bom_quotes_and_counter(tmp_path: Path) -> None:
    text = '\ufeff,"name, full",y\n0,"x, y",1\n1,z,2\n'
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(text.encode()))
    frame = read_table(path, "y")
    assert list(frame.columns) == ["name, full", "y"]
    assert frame["name, full"].tolist() == ["x, y", "z"]


def test_words_for_missing_among_numbers_only(tmp_path: Path) -> None:
    data = load(write(tmp_path / "t.csv", "a,b,y\n1,NA,u\n?,x,v\n3,none,u\n4,x,v\n"))
    assert isinstance(data.x, pd.DataFrame)
    assert data.x["a"].isna().tolist() == [False, True, False, False]
    assert data.x["b"].tolist() == ["NA", "x", "none", "x"]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("a,a,y\n1,2,3\n", "'a' names more than one column"),
        ("1,2,3\n4,5,6\n", "holds numbers, not column names"),
        ("a,y\n1,2\n1,2,3\n", "cannot be read as a table"),
        ("a,y\n1,2,3\n1,2,3\n", "cannot be read as a table"),
    ],
)
def test_broken_tables(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        load(write(tmp_path / "t.csv", text), "y")


def test_broken_bytes(tmp_path: Path) -> None:
    for name in ("t.csv", "t.csv.gz", "t.npz", "t.parquet"):
        (tmp_path / name).write_bytes(b"\xff\xfe\x00broken\x80\x81" * 20)
        with pytest.raises(InputError, match="cannot be read"):
            load(tmp_path / name, "y")
    cut = gzip.compress(b"a,y\n" + b"1,2\n" * 1000)[:-20]
    (tmp_path / "cut.csv.gz").write_bytes(cut)
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path / "cut.csv.gz", "y")


def test_folders_and_unknown_kinds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no images"):
        load(tmp_path)
    with pytest.raises(InputError, match="has no known format"):
        load(write(tmp_path / "t.xlsx", "x"))


@pytest.mark.parametrize("keys", [("x", "y"), ("X", "y"), ("data", "target"), ("x_train", "y_train")])
def test_npz_keys(tmp_path: Path, keys: tuple[str, str]) -> None:
    np.savez(tmp_path / "t.npz", **{keys[0]: np.eye(4), keys[1]: [0, 1, 0, 1]})
    data = load(tmp_path / "t.npz")
    assert data.x.shape == (4, 4)
    assert data.test is None


def test_npz_other_keys(tmp_path: Path) -> None:
    np.savez(tmp_path / "t.npz", x=np.eye(4), y=[0, 1, 0, 1], speaker=["a", "a", "b", "b"])
    assert load(tmp_path / "t.npz", "speaker").classes == ("a", "b")
    with pytest.raises(InputError, match="Did you mean 'speaker'"):
        load(tmp_path / "t.npz", "speker")
    np.savez(tmp_path / "u.npz", pixels=np.eye(4))
    with pytest.raises(InputError, match="holds 'pixels'; name its arrays"):
        load(tmp_path / "u.npz")
    np.savez(tmp_path / "o.npz", x=np.array([{}, {}], object), y=[0, 1])
    with pytest.raises(InputError, match="cannot be read as npz"):
        load(tmp_path / "o.npz")


def test_parquet(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="pyarrow is absent")
    frame = pd.DataFrame({"a": [1.0, None, 3.0, 4.0], "c": pd.Categorical(list("uvuv")), "y": [0, 1, 0, 1]})
    frame.to_parquet(tmp_path / "t.parquet")
    data = load(tmp_path / "t.parquet", "y")
    assert isinstance(data.x, pd.DataFrame)
    assert data.x["a"].isna().sum() == 1
    assert isinstance(data.x["c"].dtype, pd.CategoricalDtype)


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*args: object, **named: object) -> None:
        raise ImportError

    monkeypatch.setattr(pd, "read_parquet", absent)
    with pytest.raises(MissingExtra, match=r"pip install goodfit\[parquet\]"):
        load(write(tmp_path / "t.parquet", ""), "y")
