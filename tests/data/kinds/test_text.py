from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from goodfit.data import load
from goodfit.data.kinds import TrainingRows
from goodfit.data.kinds.text import TextKind
from goodfit.data.options import Texts
from goodfit.errors import InputError

FRAME = pd.DataFrame({"words": [f"a good day number {i}" for i in range(9)], "number": range(9)})


def test_the_column_of_texts() -> None:
    assert TextKind().take_columns(FRAME, Texts()).columns.tolist() == ["words"]
    assert TextKind().take_columns(FRAME, Texts(column="words")).columns.tolist() == ["words"]
    assert TextKind().matches_table(FRAME[["words"]])
    assert not TextKind().matches_table(FRAME)


def test_a_txt_file_is_a_text_unless_it_has_the_column(tmp_path: Path) -> None:
    letter, table = tmp_path / "letter.txt", tmp_path / "table.txt"
    letter.write_text("Hello all,\n\na good day\n")
    table.write_text("words\tid\na good day\t1\na bad day\t2\n")
    rows = TrainingRows((5,), column="words")
    assert TextKind().read_for_prediction(letter, rows, "refuse", False) == (
        ["Hello all,\n\na good day\n"],
        ("letter.txt",),
    )
    assert TextKind().read_for_prediction(table, rows, "refuse", False) is None


def test_arrays_of_numbers_are_no_texts() -> None:
    with pytest.raises(InputError, match=r"load: texts must be strings, got int64 values .*from_tensors\(…, kind="):
        load((np.ones((4, 3), np.int64), [0, 1, 0, 1]), options=Texts())
