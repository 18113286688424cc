"""ZCA whitening: neighbouring values of images made uncorrelated, with the least change."""

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

Floats = npt.NDArray[np.float32]
MOST = 4096
"""Values of a sample up to which it can be whitened: the matrix of 4,096 takes 64 MB."""


@dataclass(frozen=True)
class Whitening:
    """The linear map that makes the training part's values uncorrelated and changes them least.

    x ← W (x − μ) with W = U (Λ + ε)^(−1/2) Uᵀ, where U Λ Uᵀ is the covariance of the training rows and μ their mean. A
    larger ε leaves weak components, which are mostly noise, small.

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
    def fit(cls, x: Floats, epsilon: float) -> Self:
        """Learn from training rows x (rows, …).

        Raises:
            InputError: rows of too many values, or an epsilon that is not above 0.
        """
        if not epsilon > 0 or not np.isfinite(epsilon):
            raise InputError(f"whiten: epsilon must be above 0, such as 0.01, got whiten={epsilon!r}.")
        size = math.prod(x.shape[1:])
        if size > MOST:
            raise InputError(
                f"whiten: samples must have at most {MOST:,} values, got {size:,}; bring images to a smaller size=."
            )
        mean = _total(piece.sum(0) for piece in _flat(x)) / len(x)
        covariance = _total((piece - mean).T @ (piece - mean) for piece in _flat(x)) / len(x)
        values, vectors = np.linalg.eigh(covariance)
        scaled = vectors / np.sqrt(values.clip(min=0) + epsilon)
        matrix = (scaled @ vectors.T).astype(np.float32)
        return cls(size, mean.astype(np.float32).tobytes(), matrix.tobytes())

    def apply(self, x: npt.NDArray[Any]) -> Floats:
        """Whitened rows, of x's shape (rows, …)."""
        mean = np.frombuffer(self.mean, np.float32)
        matrix = np.frombuffer(self.matrix, np.float32).reshape(self.size, self.size)
        found: Floats = ((x.reshape(len(x), -1) - mean) @ matrix).reshape(x.shape)
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"size": self.size, "mean": _text(self.mean), "matrix": _text(self.matrix)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(int(values["size"]), *(base64.b64decode(values[name]) for name in ("mean", "matrix")))


def _flat(x: Floats) -> Iterator[npt.NDArray[np.float64]]:
    return (piece.reshape(len(piece), -1).astype(np.float64) for piece in blocks(x))


def _total(found: Iterator[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    return reduce(np.add, found)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
