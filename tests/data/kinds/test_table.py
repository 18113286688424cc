import numpy as np
import pandas as pd
import pytest

from goodfit.data.kinds.table import TableKind
from goodfit.data.options import Tables
from goodfit.errors import InputError


def test_columns_get_their_types() -> None:
    frame = TableKind().take_columns(pd.DataFrame({"a": ["1", "2"], "b": ["x", "y"]}), Tables())
    assert frame.columns.tolist() == ["a", "b"]


def test_columns_that_cannot_be_learned_from() -> None:
    with pytest.raises(InputError, match="column 'a' is missing in all 2 rows"):
        TableKind().take_columns(pd.DataFrame({"a": [None, None], "b": [1, 2]}), Tables())


def test_arrays_have_two_dimensions() -> None:
    assert TableKind().arrange(np.zeros((2, 3))).shape == (2, 3)
    with pytest.raises(InputError, match=r"table data has the shape \(rows, columns\), got \(2, 3, 4\); reshape it"):
        TableKind().arrange(np.zeros((2, 3, 4)))
