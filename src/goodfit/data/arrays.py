"""Plain arrays: what is accepted as numbers, and how they become float32 inputs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from goodfit.data.inputs import PLAIN, TABLE, InputOptions, Inputs
from goodfit.data.kinds import kind as kind_named
from goodfit.data.layout import arrange
from goodfit.data.storage import RowSubset, allocate, block_slices, blocks, is_mapped
from goodfit.data.whitening import Whitening
from goodfit.errors import InputError
from goodfit.types import Array

Features: TypeAlias = pd.DataFrame | Array


def as_array(values: object, who: str) -> Array:
    """Any array-like of the user's (array, tensor, nested list, Series, DataFrame) as a NumPy array.

    Raises:
        InputError: the lists are ragged or the matrix is sparse.
    """
    if isinstance(values, torch.Tensor):
        tensor = values.detach().cpu()
        dense = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
        array: Array = dense.numpy()
        return array
    if hasattr(values, "toarray") and hasattr(values, "nnz"):
        raise InputError(f"{who} is a sparse matrix; give {who}.toarray().")
    try:
        return np.asarray(values)
    except ValueError as error:
        raise InputError(f"{who} has rows of different lengths; pad or cut them to one length.") from error


def as_features(values: object, who: str = "load: x") -> Array:
    """Features as an array of numbers, with at least two dimensions and only finite values.

    Shape: (rows, ...) → the same; booleans and half precision become float32.

    Raises:
        InputError: text, objects, complex numbers, one dimension, NaN or infinite values (row and column
            named).
    """
    x = as_array(values, who)
    if x.dtype.kind not in "biuf":
        raise InputError(
            f"{who} holds {x.dtype} values, numbers are needed; give a DataFrame for mixed or text columns."
        )
    if x.ndim < 2:
        raise InputError(f"{who} has shape {x.shape}, (rows, features) is needed; try x.reshape(-1, 1).")
    if 0 in x.shape:
        raise InputError(f"{who} is empty: its shape is {x.shape}; give at least one row and one column.")
    if x.dtype.kind == "b" or x.dtype == np.float16:
        x = _floats(x)
    refuse_not_finite(x, who)
    return x


def _floats(x: Array) -> Array:
    out = allocate(x.shape, np.float32, mapped=is_mapped(x))
    for rows in block_slices(x):
        out[rows] = x[rows]
    return out


def refuse_not_finite(x: Array, who: str) -> None:
    """Refuse NaN and infinite values, naming the first one's row and column.

    Raises:
        InputError: x holds NaN or an infinite value.
    """
    if x.dtype.kind != "f":
        return
    first, count = None, 0
    for rows in block_slices(x):
        finite = np.isfinite(x[rows])
        if not finite.all():
            at, *rest = (int(i) for i in np.unravel_index(int(finite.argmin()), finite.shape))
            first = first or (rows.start + at, *rest)
            count += int((~finite).sum())
    if first is None:
        return
    row, *rest = first
    column = rest[0] if len(rest) == 1 else tuple(rest)
    what = "NaN" if np.isnan(x[first]) else "an infinite value"
    raise InputError(
        f"{who} holds {what} in row {row}, column {column} (counted from 0; {count} such values); "
        "fill or drop them, or give a DataFrame: its missing values are imputed."
    )


@dataclass(frozen=True)
class ArrayFeatures:
    """How an array becomes float32 inputs: (x / divisor − mean) / scale.

    A 2-D array of numbers is standardised column by column (a constant column becomes zero, so that the width
    stays what the user's model expects). uint8 arrays and arrays of more than two dimensions (images, sound)
    keep their inner contrast: one mean and one standard deviation over all values of the training part; uint8
    is divided by 255 first.

    Shape: (rows, \\*shape) → (rows, \\*shape) float32.
    """

    shape: tuple[int, ...]
    pixels: bool
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    stored_as: ClassVar[str] = "array"
    inputs: Inputs = TABLE
    whitening: Whitening | None = None

    @classmethod
    def fit(cls, x: Array | RowSubset, input_options: InputOptions = PLAIN) -> ArrayFeatures:
        """Learn mean and scale from the training rows, the ends of their range, and how they are whitened."""
        if x.ndim == 2 and x.dtype != np.uint8:
            from sklearn.preprocessing import StandardScaler

            scaler = StandardScaler()
            for piece in blocks(x):
                scaler.partial_fit(piece)
            return cls(x.shape[1:], False, tuple(scaler.mean_.tolist()), tuple(scaler.scale_.tolist()))
        pixels = x.dtype == np.uint8
        mean, std = _pixel_moments(x) if pixels else _moments(x)
        std = std if std > 0 else 1.0
        low, high = (0.0, 1.0) if pixels else _ends(blocks(x))
        low, high = kind_named(input_options.kind).value_range(low, high)
        ends = ((low - mean) / std, (high - mean) / std) if low < high else (0.0, 1.0)
        plain = cls(x.shape[1:], pixels, (mean,), (std,), Inputs(input_options.kind, *ends, input_options.rate))
        return plain if input_options.whiten is None else plain._whitened(x, input_options.whiten)

    def _whitened(self, x: Array | RowSubset, epsilon: float) -> ArrayFeatures:
        """The same with whitening behind, learned from raw training rows; the range is then that of whitened rows."""
        standard = self.transform(x)
        whitening = Whitening.fit(standard, epsilon)
        ends = _ends(whitening.apply(piece) for piece in blocks(standard))
        return replace(self, whitening=whitening, inputs=self.inputs.between(*ends))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """`x0`, `x1`, … for a flat array; empty for images and sound, whose inputs have no names."""
        return tuple(f"x{i}" for i in range(self.shape[0])) if len(self.shape) == 1 else ()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one transformed row."""
        return self.shape

    def transform(self, data: object) -> npt.NDArray[np.float32]:
        """Apply what was learned; what does not fit into memory comes out in a file (see `goodfit.data.storage`).

        Raises:
            InputError: another shape of rows, values that are not finite numbers, or other units (uint8 or
                not).
        """
        x = data if isinstance(data, RowSubset) else as_features(data, "transform: x")
        if isinstance(x, np.ndarray) and x.shape[1:] != self.shape:
            x, _ = arrange(x, self.inputs.kind, "transform")
        if x.shape[1:] != self.shape:
            raise InputError(f"transform: rows have shape {x.shape[1:]}, this data was learned with {self.shape}.")
        if self.pixels != (x.dtype == np.uint8) and (self.pixels or len(self.shape) > 1):
            wanted = "uint8 values 0…255" if self.pixels else "values that are not uint8"
            raise InputError(f"transform: this data was learned with {wanted}, got {x.dtype}; convert it first.")
        lazy = isinstance(x, RowSubset)
        out = allocate(x.shape, np.float32, x.folder if isinstance(x, RowSubset) else None, lazy or is_mapped(x))
        for rows in block_slices(x, "preparing rows"):
            made = self._standardised(x[rows])
            out[rows] = self.whitening.apply(made) if self.whitening else made
        return out

    def _standardised(self, x: Array) -> npt.NDArray[np.float32]:
        if self.pixels:
            table = ((np.arange(256) / 255 - self.mean[0]) / self.scale[0]).astype(np.float32)
            return np.ascontiguousarray(np.take(table, x))
        made = (x.astype(np.float64) - np.asarray(self.mean)) / np.asarray(self.scale)
        return np.ascontiguousarray(made, np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "kind": self.stored_as,
            "shape": list(self.shape),
            "pixels": self.pixels,
            "mean": list(self.mean),
            "scale": list(self.scale),
            "inputs": self.inputs.to_dict(),
            "whitening": self.whitening.to_dict() if self.whitening else None,
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ArrayFeatures:
        """The inverse of `to_dict`."""
        shape = tuple(int(n) for n in values["shape"])
        mean, scale = (tuple(float(v) for v in values[key]) for key in ("mean", "scale"))
        inputs = Inputs.from_dict(values["inputs"]) if "inputs" in values else Inputs()
        stored = values.get("whitening")
        whitening = Whitening.from_dict(stored) if stored else None
        return cls(shape, bool(values["pixels"]), mean, scale, inputs, whitening)


def _ends(x: Iterable[Array]) -> tuple[float, float]:
    """The lowest and the highest value of all pieces."""
    found = [(float(piece.min()), float(piece.max())) for piece in x]
    return min(low for low, _ in found), max(high for _, high in found)


def _pixel_moments(x: Array | RowSubset) -> tuple[float, float]:
    """Exact mean and standard deviation of uint8 values / 255, from their histogram."""
    counts = np.zeros(256, np.int64)
    for piece in blocks(x, "measuring rows"):
        counts += np.bincount(piece.ravel(), minlength=256)
    values = np.arange(256) / 255
    mean = float(counts @ values / counts.sum())
    return mean, float(np.sqrt(counts @ (values - mean) ** 2 / counts.sum()))


def _moments(x: Array | RowSubset) -> tuple[float, float]:
    """Mean and standard deviation over all values, in float64 and in two passes."""
    size = math.prod(x.shape)
    mean = sum(float(piece.sum(dtype=np.float64)) for piece in blocks(x, "measuring rows")) / size
    square = sum(float(((piece.astype(np.float64) - mean) ** 2).sum()) for piece in blocks(x, "measuring rows"))
    return mean, float(np.sqrt(square / size))
