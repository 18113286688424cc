import time

import numpy as np
import pandas as pd

from goodfit.data.duplicates import Duplicates, count_duplicates, row_codes


def test_equal_rows_have_equal_codes() -> None:
    frame = pd.DataFrame({"a": [1.0, 1.0, np.nan, np.nan], "b": ["x", "x", None, None], "c": [0, 0, 1, 2]})
    assert row_codes(frame).tolist() == [0, 0, 1, 2]
    assert row_codes(np.array([[0.0, 1.0], [-0.0, 1.0]])).tolist() == [0, 0]
    assert row_codes(np.zeros((3, 2, 2), np.uint8)).tolist() == [0, 0, 0]


def test_counts_per_pair() -> None:
    codes = {"train": np.array([0, 1, 2]), "stop": np.array([2, 3]), "test": np.array([0, 0, 3, 4])}
    duplicates = count_duplicates(codes)
    assert duplicates.counts == {("train", "stop"): 1, ("train", "test"): 2, ("stop", "test"): 1}
    assert duplicates.total == 4
    assert duplicates.text.startswith("1 of 2 stop rows are also in train; 2 of 4 test rows")
    assert duplicates.to_dict()["sizes"] == {"train": 3, "stop": 2, "test": 4}


def test_no_duplicates() -> None:
    assert Duplicates({("train", "test"): 0}, {"train": 1, "test": 1}).text == "no row occurs in two parts"


def test_fast_on_many_wide_rows() -> None:
    x = np.random.default_rng(0).integers(0, 255, (60_000, 784), np.uint8)
    x[-100:] = x[:100]
    start = time.perf_counter()
    codes = row_codes(x)
    assert time.perf_counter() - start < 5
    assert codes.max() + 1 == 59_900
