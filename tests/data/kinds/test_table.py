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
