from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

SHARED = Path(__file__).resolve().parents[2] / ".." / "shared" / "data"


@pytest.fixture(scope="session")
def shared() -> Callable[[str], Path]:
    """The path of a real data file, or a skip where the folder is absent."""

    def find(name: str) -> Path:
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"../shared/data/{name} is absent")
        return path

    return find


@pytest.fixture
def mixed() -> pd.DataFrame:
    """300 rows of every kind of column, with gaps."""
    rng = np.random.default_rng(0)
    n = 300
    frame = pd.DataFrame(
        {
            "age": rng.normal(40, 10, n),
            "income": rng.lognormal(10, 1, n),
            "children": pd.array(rng.integers(0, 5, n), dtype="Int64"),
            "member": rng.random(n) < 0.3,
            "city": rng.choice(["Rome", "Oslo", "Bern"], n, p=[0.5, 0.3, 0.2]).astype(object),
            "grade": pd.Categorical(rng.choice(["low", "high"], n)),
            "since": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), unit="D"),
            "digits": rng.integers(0, 90, n).astype(str).astype(object),
            "flat": np.ones(n),
            "y": rng.choice(["no", "yes"], n),
        }
    )
    frame.loc[::7, "income"] = np.nan
    frame.loc[::11, "children"] = pd.NA
    frame.loc[::5, "city"] = None
    frame.loc[3, "city"] = "Atlantis"
    frame.loc[::13, "since"] = pd.NaT
    return frame
