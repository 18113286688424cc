"""Rows that occur in more than one part, which makes scores too optimistic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from itertools import combinations
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from goodfit.data.arrays import Features
from goodfit.data.storage import blocks
from goodfit.types import Array

DIGEST = 16
"""Bytes of the hash by which longer rows are compared."""


@dataclass(frozen=True)
class Duplicates:
    """The numbers of rows of one part whose features equal those of a row in another part.

    `counts` maps (earlier part, later part) to the number of rows of the later part that are also in the earlier one;
    `sizes` maps each part to its number of rows.

    >>> Duplicates({("train", "test"): 2}, {"train": 50, "test": 10}).text
    '2 of 10 test rows are also in train'
    """

    counts: Mapping[tuple[str, str], int]
    sizes: Mapping[str, int]

    @property
    def total(self) -> int:
        """The sum over all pairs of parts."""
        return sum(self.counts.values())

    @property
    def text(self) -> str:
        """A summary in one line."""
        lines = [
            f"{count} of {self.sizes[later]} {later} rows are also in {earlier}"
            for (earlier, later), count in self.counts.items()
            if count
        ]
        return "; ".join(lines) if lines else "no row occurs in two parts"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        pairs = [[earlier, later, count] for (earlier, later), count in self.counts.items()]
        return {"counts": pairs, "sizes": dict(self.sizes)}


def count_duplicates(codes: Mapping[str, npt.NDArray[np.int64]]) -> Duplicates:
    """Count the rows that two parts have in common, from codes that are equal for equal rows.

    Shape: for each part (rows,) codes from `row_codes`.
    """
    width = 1 + max((int(c.max()) for c in codes.values() if len(c)), default=0)
    counts = {}
    for earlier, later in combinations(codes, 2):
        present = np.zeros(width, bool)
        present[codes[earlier]] = True
        counts[earlier, later] = int(present[codes[later]].sum())
    return Duplicates(counts, {name: len(c) for name, c in codes.items()})


def row_codes(*features: Features) -> npt.NDArray[np.int64]:
    """An integer code for each row of one or several sets of features; equal rows have equal codes (NaN equals NaN).

    Shape: (rows, ...) each → (rows of all,).

    >>> row_codes(np.array([[1.0, 2.0], [0.0, 2.0], [1.0, 2.0]])).tolist()
    [0, 1, 0]
    """
    tables = [x for x in features if isinstance(x, pd.DataFrame)]
    arrays = [x for x in features if isinstance(x, np.ndarray)]
    if tables:
        arrays = [_table(pd.concat(tables, ignore_index=True))]
    dtype = np.result_type(*arrays)
    keys = [key for x in arrays for block in blocks(x, "looking for duplicates") for key in _keys(block, dtype)]
    column = np.empty(len(keys), object)
    column[:] = keys
    return cast("npt.NDArray[np.int64]", pd.factorize(column)[0].astype(np.int64))


def _keys(block: Array, dtype: np.dtype[Any]) -> list[bytes]:
    """The bytes of short rows, the hashes of longer ones."""
    flat = block.astype(dtype, copy=False).reshape(len(block), -1)
    flat = flat + 0 if dtype.kind == "f" else flat  # −0.0 becomes 0.0, which has other bytes
    if flat.shape[1] * dtype.itemsize <= DIGEST:
        return [row.tobytes() for row in flat]
    return [blake2b(row.data, digest_size=DIGEST).digest() for row in flat]


def _table(frame: pd.DataFrame) -> Array:
    """A table as float64: numbers as they are, other values as codes."""
    matrix = np.empty(frame.shape)
    for i, name in enumerate(frame.columns):
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column) and column.dtype.kind in "biuf":
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
            matrix[:, i] = np.where(np.isnan(values), np.nan, values)  # one bit pattern for every NaN
        else:
            matrix[:, i] = pd.factorize(column)[0]
    return matrix
