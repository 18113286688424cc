"""The fingerprint of a data set: a hash of its rows, targets and settings."""

from __future__ import annotations

from hashlib import blake2b
from typing import Any

import numpy as np
import pandas as pd

from goodfit.data.dataset import Dataset
from goodfit.data.split import Split
from goodfit.data.storage import blocks

DIGEST = 16
"""Bytes of a fingerprint."""
MISSING = "\1"
"""A missing value among texts."""


def fingerprint(data: Dataset | Split) -> str:
    """A text that is the same for the same rows, targets, groups, times and options, and differs for any other data.

    >>> from goodfit import load
    >>> fingerprint(load("iris")) == fingerprint(load("iris")) != fingerprint(load("wine"))
    True
    """
    digest = blake2b(digest_size=DIGEST)
    for values in _contents(data):
        _add(digest, values)
    return digest.hexdigest()


def _contents(data: Dataset | Split) -> list[Any]:
    if isinstance(data, Split):
        settings = repr((data.spec, data.preprocessing))
        return [settings, *(values.cpu().numpy() for part in data.parts.values() for values in (part.x, part.y))]
    settings = repr((data.task, data.target, data.classes, data.input_options))
    return [settings, data.x, data.y, data.groups, data.time, *(data.test or ())]


def _add(digest: Any, values: Any) -> None:
    """Add an array, a table or None to a hash."""
    if isinstance(values, pd.DataFrame):
        for name in values.columns:
            _add(digest, np.array([str(name)]))
            _add(digest, values[name])
        return
    if values is None:
        digest.update(b"none")
        return
    array = values.to_numpy() if isinstance(values, pd.Series) else np.asarray(values)
    digest.update(f"{array.dtype.kind} {array.shape}".encode())
    if array.dtype.kind in "biufcMm":
        for block in blocks(array, "reading the data for its fingerprint"):
            digest.update(block.reshape(-1).view(np.uint8))  # memoryviews know no dates
    else:
        for value in array.reshape(-1):
            text = MISSING if pd.isna(value) else f"{value}"
            digest.update(f"{len(text)} {text}".encode())
