"""Rows that occur in more than one part: exact copies make every score too good."""

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
"""Bytes that stand for a longer row."""


@dataclass(frozen=True)
class Duplicates:
    """How many rows of one part have exactly the features of a row in an earlier part.

    `counts` maps (earlier, later) to the number of the later part's rows; `sizes` are the parts' rows.

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
        """One line for people."""
        found = [
            f"{count} of {self.sizes[later]} {later} rows are also in {earlier}"
            for (earlier, later), count in self.counts.items()
            if count
        ]
        return "; ".join(found) if found else "no row occurs in two parts"

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        pairs = [[earlier, later, count] for (earlier, later), count in self.counts.items()]
        return {"counts": pairs, "sizes": dict(self.sizes)}


def count_duplicates(codes: Mapping[str, npt.NDArray[np.int64]]) -> Duplicates:
    """Count the rows that two parts share; equal codes are equal rows.

    Shape: for each part (rows,) codes from `row_codes`.
    """
    width = 1 + max((int(c.max()) for c in codes.values() if len(c)), default=0)
    counts = {}
    for earlier, later in combinations(codes, 2):
        seen = np.zeros(width, bool)
        seen[codes[earlier]] = True
        counts[earlier, later] = int(seen[codes[later]].sum())
    return Duplicates(counts, {name: len(c) for name, c in codes.items()})


def row_codes(*given: Features) -> npt.NDArray[np.int64]:
    """A number for each row of one or several sets, the same for exactly equal rows (missing equals missing).

    Shape: (rows, ...) each → (rows of all,).

    >>> row_codes(np.array([[1.0, 2.0], [0.0, 2.0], [1.0, 2.0]])).tolist()
    [0, 1, 0]
    """
    tables = [x for x in given if isinstance(x, pd.DataFrame)]
    sets = [_table(pd.concat(tables, ignore_index=True))] if tables else [x for x in given if isinstance(x, np.ndarray)]
    kind = np.result_type(*sets)
    keys = [key for x in sets for piece in blocks(x, "looking for duplicates") for key in _keys(piece, kind)]
    found = np.empty(len(keys), object)
    found[:] = keys
    return cast("npt.NDArray[np.int64]", pd.factorize(found)[0].astype(np.int64))


def _keys(piece: Array, kind: np.dtype[Any]) -> list[bytes]:
    """The bytes of short rows, the digests of longer ones: of two different rows they are never met the same."""
    flat = piece.astype(kind, copy=False).reshape(len(piece), -1)
    flat = flat + 0 if kind.kind == "f" else flat  # makes −0.0 and 0.0 the same bytes
    if flat.shape[1] * kind.itemsize <= DIGEST:
        return [row.tobytes() for row in flat]
    return [blake2b(row.data, digest_size=DIGEST).digest() for row in flat]


def _table(frame: pd.DataFrame) -> Array:
    """A table as float64: numbers as they are, anything else as codes."""
    matrix = np.empty(frame.shape)
    for i, name in enumerate(frame.columns):
        column = frame[name]
        if pd.api.types.is_numeric_dtype(column) and column.dtype.kind in "biuf":
            values = column.to_numpy(dtype=np.float64, na_value=np.nan)
            matrix[:, i] = np.where(np.isnan(values), np.nan, values)  # one bit pattern for every NaN
        else:
            matrix[:, i] = pd.factorize(column)[0]
    return matrix
