from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from goodfit.data.options import Tables
from goodfit.data.reading.decode_options import DecodeOptions
from goodfit.data.reading.sources import Raw, read, usual_target
from goodfit.errors import InputError

AUTOMATIC = DecodeOptions()


def test_names_of_sources(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,class\n1,x\n2,y\n")
    np.savez(tmp_path / "arrays.npz", x=np.zeros((4, 2)), y=np.arange(4))
    assert read("iris", None, AUTOMATIC, None).name == "iris"
    assert read(pd.DataFrame({"a": [1]}), "a", AUTOMATIC, None).name == "table"
    assert read((np.zeros((2, 2)), [0, 1]), None, AUTOMATIC, None).name == "arrays"
    assert read(tmp_path / "rows.csv", None, AUTOMATIC, None).target == "class"
    assert read(tmp_path / "arrays.npz", None, AUTOMATIC, None).x.shape == (4, 2)


def test_targets_with_usual_names() -> None:
    assert usual_target(["a", " Class "]) == " Class "
    assert usual_target(["class", "label"]) is None
    assert usual_target([]) is None


def test_further_columns_by_name() -> None:
    raw = Raw("sounds", None, columns={"speaker": np.arange(3)})
    assert raw.column("speaker") is raw.columns["speaker"]
    assert raw.column("other") == "other"
    assert raw.column([1, 2]) == [1, 2]


def test_invalid_sources() -> None:
    with pytest.raises(InputError, match=r"load: source must be a path, .*, got dict"):
        read({}, None, AUTOMATIC, None)
    with pytest.raises(InputError, match=r"got ndarray; for separate arrays give load\(\(X, y\)\)"):
        read(np.zeros((2, 2)), np.zeros(2), AUTOMATIC, None)
    with pytest.raises(InputError, match="got Tables; give options="):
        read("iris", Tables(), AUTOMATIC, None)
