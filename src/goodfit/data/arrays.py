"""Arrays of numbers: checks, and the preprocessing that turns them into float32 inputs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from goodfit.data.checks import is_usable, unusable
from goodfit.data.inputs import PLAIN, TABLE, InputOptions, Inputs
from goodfit.data.kinds import TrainingRows
from goodfit.data.kinds import kind as kind_named
from goodfit.data.layout import arrange
from goodfit.data.storage import RowSubset, allocate, block_slices, blocks, is_mapped
from goodfit.data.whitening import Whitening
from goodfit.errors import InputError
from goodfit.types import Array

Features: TypeAlias = pd.DataFrame | Array


def as_array(values: object, who: str) -> Array:
    """Any array-like (array, tensor, nested list, Series, DataFrame) as a NumPy array.

    Raises:
        InputError: nested lists of different lengths, or a sparse matrix.
    """
    if isinstance(values, torch.Tensor):
        tensor = values.detach().cpu()
        dense = tensor.float() if tensor.dtype == torch.bfloat16 else tensor
        array: Array = dense.numpy()
        return array
    if hasattr(values, "toarray") and hasattr(values, "nnz"):
        raise InputError(f"{who} is a sparse matrix; convert it with .toarray().")
    try:
        return np.asarray(values)
    except ValueError as error:
        raise InputError(f"{who} has rows of different lengths; pad or cut them to the same length.") from error


def as_features(values: object, who: str = "load: x") -> Array:
    """Features as an array of finite numbers with at least two dimensions.

    Shape: (rows, ...) → the same; booleans and float16 become float32.

    Raises:
        InputError: text, objects, complex numbers, fewer than two dimensions, no values, NaN or infinite values.
    """
    x = as_array(values, who)
    if x.dtype.kind not in "biuf":
        raise InputError(
            f"{who} holds {x.dtype} values, but numbers are needed; use a DataFrame for mixed or text columns."
        )
    if x.ndim < 2:
        raise InputError(f"{who} has shape {x.shape}, but (rows, features) is needed; try x.reshape(-1, 1).")
    if 0 in x.shape:
        raise InputError(f"{who} is empty: its shape is {x.shape}; at least one row and one column are needed.")
    if x.dtype.kind == "b" or x.dtype == np.float16:
        x = _floats(x)
    check_finite(x, who)
    return x


def _floats(x: Array) -> Array:
    out = allocate(x.shape, np.float32, mapped=is_mapped(x))
    for rows in block_slices(x):
        out[rows] = x[rows]
    return out


def check_finite(x: Array, who: str) -> None:
    """Check that all values are finite, and at most `goodfit.data.checks.LARGEST`.

    Raises:
        InputError: x holds NaN, an infinite or a larger value; the message has the row and column of the first one.
    """
    if x.dtype.kind != "f":
        return
    first, count = None, 0
    for rows in block_slices(x):
        finite = is_usable(x[rows])
        if not finite.all():
            row, *rest = (int(i) for i in np.unravel_index(int(finite.argmin()), finite.shape))
            first = first or (rows.start + row, *rest)
            count += int((~finite).sum())
    if first is None:
        return
    row, *rest = first
    column = rest[0] if len(rest) == 1 else tuple(rest)
    missing, remedy = np.isnan(x[first]), "repair or drop these rows"
    if missing and x.ndim == 2:
        remedy = "fill or drop them, or use a DataFrame, whose missing values are imputed"
    what = "NaN" if missing else unusable(x[first])
    raise InputError(
        f"{who} holds {what} in row {row}, column {column} (counted from 0; {count} such values); {remedy}."
    )


@dataclass(frozen=True)
class ArrayFeatures:
    """The preprocessing of an array: (x − mean) / scale as float32; uint8 values are divided by 255 first.

    A two-dimensional array of numbers is standardized by column; a constant column becomes zero. uint8 arrays and
    arrays with more dimensions (images, sounds) have one mean and one standard deviation over all values of the
    training part, so that contrasts within a sample are kept.

    Shape: (rows, \\*shape) → (rows, \\*shape) float32.
    """

    shape: tuple[int, ...]
    pixels: bool
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    stored_as: ClassVar[str] = "array"
    note: ClassVar[str] = ""
    inputs: Inputs = TABLE
    whitening: Whitening | None = None

    @classmethod
    def fit(cls, x: Array | RowSubset, input_options: InputOptions = PLAIN) -> ArrayFeatures:
        """Learn mean, scale and range of the values, and the whitening, from the training rows."""
        if x.ndim == 2 and x.dtype != np.uint8:
            from sklearn.preprocessing import StandardScaler

            scaler = StandardScaler()
            for block in blocks(x):
                scaler.partial_fit(block)
            return cls(x.shape[1:], False, tuple(scaler.mean_.tolist()), tuple(scaler.scale_.tolist()))
        pixels = x.dtype == np.uint8
        mean, std = _pixel_moments(x) if pixels else _moments(x)
        std = std if std > 0 else 1.0
        low, high = (0.0, 1.0) if pixels else _range(blocks(x))
        low, high = kind_named(input_options.kind).value_range(low, high)
        ends = ((low - mean) / std, (high - mean) / std) if low < high else (0.0, 1.0)
        plain = cls(x.shape[1:], pixels, (mean,), (std,), Inputs(input_options.kind, *ends, input_options.rate))
        return plain if input_options.whiten is None else plain._whitened(x, input_options.whiten)

    def _whitened(self, x: Array | RowSubset, epsilon: float) -> ArrayFeatures:
        """Add whitening, learned from raw training rows; the range becomes that of whitened rows."""
        standard = self.transform(x)
        whitening = Whitening.fit(standard, epsilon)
        ends = _range(whitening.apply(block) for block in blocks(standard))
        return replace(self, whitening=whitening, inputs=self.inputs.between(*ends))

    @property
    def feature_names(self) -> tuple[str, ...]:
        """`x0`, `x1`, … for a two-dimensional array; empty for images and sounds, whose inputs have no names."""
        return tuple(f"x{i}" for i in range(self.shape[0])) if len(self.shape) == 1 else ()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one transformed row."""
        return self.shape

    @property
    def training_rows(self) -> TrainingRows:
        """What files must have to be transformed as the training rows were."""
        high = None if self.whitening else self.inputs.high * self.scale[0] + self.mean[0]
        return TrainingRows(self.shape, self.pixels, self.inputs.rate, high)

    def transform(self, data: object) -> npt.NDArray[np.float32]:
        """Preprocess an array; a large result is memory-mapped (see `goodfit.data.storage`).

        Raises:
            InputError: rows of another shape, values that are not finite numbers, or uint8 instead of other numbers or
                vice versa.
        """
        x = data if isinstance(data, RowSubset) else as_features(data, "transform: x")
        if isinstance(x, np.ndarray) and x.shape[1:] != self.shape:
            x, _ = arrange(x, self.inputs.kind, "transform")
        if x.shape[1:] != self.shape:
            raise InputError(f"transform: rows have shape {x.shape[1:]}, but the training rows had {self.shape}.")
        if self.pixels != (x.dtype == np.uint8) and (self.pixels or len(self.shape) > 1):
            expected = "uint8 values 0…255" if self.pixels else "values that are not uint8"
            raise InputError(f"transform: the training rows had {expected}, got {x.dtype}; convert it first.")
        lazy = isinstance(x, RowSubset)
        out = allocate(x.shape, np.float32, x.folder if isinstance(x, RowSubset) else None, lazy or is_mapped(x))
        for rows in block_slices(x, "preparing rows"):
            standard = self._standardized(x[rows])
            out[rows] = self.whitening.apply(standard) if self.whitening else standard
        return out

    def _standardized(self, x: Array) -> npt.NDArray[np.float32]:
        if self.pixels:
            table = ((np.arange(256) / 255 - self.mean[0]) / self.scale[0]).astype(np.float32)
            return np.ascontiguousarray(np.take(table, x))
        standard = (x.astype(np.float64) - np.asarray(self.mean)) / np.asarray(self.scale)
        return np.ascontiguousarray(standard, np.float32)

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


def _range(x: Iterable[Array]) -> tuple[float, float]:
    """The lowest and the highest value of several arrays."""
    ranges = [(float(block.min()), float(block.max())) for block in x]
    return min(low for low, _ in ranges), max(high for _, high in ranges)


def _pixel_moments(x: Array | RowSubset) -> tuple[float, float]:
    """Exact mean and standard deviation of uint8 values divided by 255, from their histogram."""
    counts = np.zeros(256, np.int64)
    for block in blocks(x, "measuring rows"):
        counts += np.bincount(block.ravel(), minlength=256)
    values = np.arange(256) / 255
    mean = float(counts @ values / counts.sum())
    return mean, float(np.sqrt(counts @ (values - mean) ** 2 / counts.sum()))


def _moments(x: Array | RowSubset) -> tuple[float, float]:
    """Mean and standard deviation over all values, in float64 and in two passes."""
    size = math.prod(x.shape)
    mean = sum(float(block.sum(dtype=np.float64)) for block in blocks(x, "measuring rows")) / size
    square = sum(float(((block.astype(np.float64) - mean) ** 2).sum()) for block in blocks(x, "measuring rows"))
    return mean, float(np.sqrt(square / size))
