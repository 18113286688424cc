"""ZCA whitening: makes the values of samples uncorrelated with the least change."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from goodfit.data.storage import blocks
from goodfit.errors import InputError

Float32 = npt.NDArray[np.float32]
MAX_VALUES = 4096
"""The most values of a sample that can be whitened; the matrix for 4,096 takes 64 MB."""


@dataclass(frozen=True)
class Whitening:
    """The linear map that makes the values of the training part uncorrelated and changes them least.

    x ← W (x − μ) with W = U (Λ + ε)^(−1/2) Uᵀ, where U Λ Uᵀ is the covariance of the training rows and μ their mean. A
    larger ε keeps weak components small, which are mostly noise.

    Reference: A. J. Bell and T. J. Sejnowski, The "independent components" of natural scenes are edge filters, Vision
    Research 37(23), 1997, https://doi.org/10.1016/S0042-6989(97)00121-1

    >>> rng = np.random.default_rng(0)
    >>> x = (rng.normal(size=(4000, 1)) + 0.1 * rng.normal(size=(4000, 2))).astype(np.float32)
    >>> bool(np.allclose(np.cov(Whitening.fit(x, 1e-6).apply(x).T), np.eye(2), atol=1e-3))
    True
    """

    size: int
    mean: bytes
    matrix: bytes

    @classmethod
    def fit(cls, x: Float32, epsilon: float) -> Self:
        """Learn from training rows x (rows, …).

        Raises:
            InputError: the rows have too many values, or epsilon is not above 0.
        """
        if not epsilon > 0 or not np.isfinite(epsilon):
            raise InputError(f"load: whiten must be above 0, for example 0.01, got whiten={epsilon!r}.")
        size = math.prod(x.shape[1:])
        if size > MAX_VALUES:
            raise InputError(
                f"load: whiten needs samples of at most {MAX_VALUES:,} values, got {size:,}; load smaller ones (images "
                "and clips: size=, sounds: rate= or seconds=), or leave whiten out."
            )
        mean = _sum(block.sum(0) for block in _flat(x)) / len(x)
        covariance = _sum((block - mean).T @ (block - mean) for block in _flat(x)) / len(x)
        values, vectors = np.linalg.eigh(covariance)
        scaled = vectors / np.sqrt(values.clip(min=0) + epsilon)
        matrix = (scaled @ vectors.T).astype(np.float32)
        return cls(size, mean.astype(np.float32).tobytes(), matrix.tobytes())

    def apply(self, x: npt.NDArray[Any]) -> Float32:
        """Whiten rows x (rows, …); the shape stays."""
        mean = np.frombuffer(self.mean, np.float32)
        matrix = np.frombuffer(self.matrix, np.float32).reshape(self.size, self.size)
        whitened: Float32 = ((x.reshape(len(x), -1) - mean) @ matrix).reshape(x.shape)
        return whitened

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"size": self.size, "mean": _base64(self.mean), "matrix": _base64(self.matrix)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(int(values["size"]), *(base64.b64decode(values[name]) for name in ("mean", "matrix")))


def _flat(x: Float32) -> Iterator[npt.NDArray[np.float64]]:
    return (block.reshape(len(block), -1).astype(np.float64) for block in blocks(x))


def _sum(arrays: Iterator[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    return reduce(np.add, arrays)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
