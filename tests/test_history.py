from __future__ import annotations

import math

import pytest

from goodfit.errors import InputError
from goodfit.history import History


def example() -> History:
    history = History()
    history.append({"epoch": 1, "stop_loss": 0.5})
    history.append({"epoch": 2, "stop_loss": 0.25, "penalty_l2": 3.0})
    return history


def test_rows_and_columns() -> None:
    history = example()
    assert (len(history), history.columns) == (2, ["epoch", "stop_loss", "penalty_l2"])
    assert history["stop_loss"] == [0.5, 0.25]
    assert math.isnan(history["penalty_l2"][0])
    assert [row["epoch"] for row in history] == [1, 2]
    assert history.at(2) == {"epoch": 2, "stop_loss": 0.25, "penalty_l2": 3.0}
    assert history.frame()["stop_loss"].tolist() == [0.5, 0.25]
    with pytest.raises(InputError, match="history: epoch must be one of its 2 epochs, got epoch=3"):
        history.at(3)


def test_appended_rows_are_copied() -> None:
    history, row = History(), {"epoch": 1}
    history.append(row)
    row["epoch"] = 9
    assert history["epoch"] == [1]


def test_reads_back() -> None:
    history = History([{"epoch": 1, "a": 0.1 + 0.2, "b": math.inf}, {"epoch": 2, "a": -0.0, "b": -math.inf}])
    assert History.from_dict(history.to_dict()).rows == history.rows
    assert History.from_dict({"epoch": [1], "a": ["nan"], "b": ["-inf"]})["b"] == [-math.inf]
    assert History.from_dict(History().to_dict()).rows == []


def test_misspelt_columns_are_refused() -> None:
    with pytest.raises(InputError, match=r"history: there is no column 'stop_los'\. Did you mean 'stop_loss'\?"):
        History([{"epoch": 1, "stop_loss": 0.5}])["stop_los"]
    assert History()["stop_loss"] == []
