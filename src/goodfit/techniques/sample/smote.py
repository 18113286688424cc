"""SMOTE: create synthetic rows of rare classes by interpolation."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.errors import InputError, MissingExtra
from goodfit.reference import Reference
from goodfit.stages import Synthesis
from goodfit.technique import knob
from goodfit.types import Array


class Smote(Synthesis):
    """Creates synthetic rows of rare classes, each between a row and one of its nearest neighbours of the same class.

    Formula: x ← x_i + u · (x_j − x_i), u ~ U(0, 1), for the numeric columns of a row i of the class and one of its `k`
    nearest neighbours j in the class; a category is the most frequent one among the neighbours. A class of n_c rows
    grows to n_c^(1 − strength) · n_max^strength rows, rounded up, where n_max is the number of rows of the largest
    class. Rows are created once per run, from the training rows only, by imbalanced-learn's SMOTE, SMOTENC or SMOTEN.

    Shape: x (n, columns) of a table, y (n,) class numbers → the synthetic rows and their class numbers, in the same
    format.

    Helps when: classes are imbalanced, columns are few and mostly numeric, and the metric treats classes alike.
    Hurts when: a rare class consists of several clusters (rows are created between them), columns are many, predicted
    probabilities are used as such, or `ClassBalance` or `ClassWeights` is used too (corrects twice).

    >>> x, y = torch.tensor([[0.0], [0.1], [0.2], [0.3], [5.0], [6.0]]), torch.tensor([0, 0, 0, 0, 1, 1])
    >>> made, labels = Smote().synthesize(x, y, Inputs(), seed=0)
    >>> labels, bool(((made >= 5) & (made <= 6)).all())
    (tensor([1, 1]), True)

    Differs from the paper: a class with at most `k` rows uses all its rows as neighbours; a class with a single row
    repeats it.
    """

    references = (
        Reference(
            authors=("N. V. Chawla", "K. W. Bowyer", "L. O. Hall", "W. P. Kegelmeyer"),
            title="SMOTE: synthetic minority over-sampling technique",
            venue="Journal of Artificial Intelligence Research",
            volume="16",
            year=2002,
            url="https://arxiv.org/abs/1106.1813",
        ),
    )
    needs_targets: ClassVar[str] = "labels"
    kinds: ClassVar[tuple[str, ...]] = ("table",)
    strength: float = knob(
        default=1.0,
        low=0,
        high=1,
        search=(0.0, 1.0),
        neutral=0.0,
        unit="exponent",
        doc="0: rows are unchanged; 1: all classes get the same number of rows",
    )
    k: int = knob(
        default=5,
        low=1,
        high=float("inf"),
        search=(1, 10),
        unit="rows",
        doc="number of nearest neighbours to choose from",
    )

    def synthesize(self, x: Tensor, y: Tensor, inputs: Inputs, seed: int) -> tuple[Tensor, Tensor]:
        if y.is_floating_point() or y.ndim != 1:
            raise InputError(
                f"Smote: the targets must be one class number per row, got {y.dtype} of shape {tuple(y.shape)}; "
                "leave it out."
            )
        match = inputs.data_kind.accepts(self, x.shape[1], inputs.words is not None)
        if not match or x.ndim != 2:
            raise InputError(f"Smote: {match.reason or f'the inputs must be rows of columns, got x {tuple(x.shape)}.'}")
        counts = y.bincount().tolist()
        rows, found = _coded(x.cpu().double().numpy(), inputs), [np.empty((0, _width(x, inputs)))]
        labels = [y[:0]]
        for label, own in enumerate(counts):
            more = self._count(own, max(counts)) - own if own else 0
            if more:
                new = self._between(rows, y.cpu().numpy(), label, more, (seed + label) % 2**32, inputs)
                found.append(new)
                labels.append(torch.full_like(y[:1], label).expand(more))
        new = _decoded(np.concatenate(found), x.shape[1], inputs)
        return torch.from_numpy(new).to(x), torch.cat(labels)

    def _count(self, size: int, largest: int) -> int:
        """The number of rows that a class with `size` rows grows to."""
        count = math.pow(size, 1 - self.strength) * math.pow(largest, self.strength)
        return min(largest, math.ceil(round(count, 6)))  # rounded, so that √3 · √27 gives exactly 9

    def _between(self, rows: Array, y: Array, label: int, more: int, seed: int, inputs: Inputs) -> Array:
        """So many new rows of a class."""
        own = int((y == label).sum())
        if own == 1:
            return np.repeat(rows[y == label], more, axis=0)
        sampler = _sampler(rows.shape[1], len(inputs.groups))
        how = {"sampling_strategy": {label: own + more}, "k_neighbors": min(self.k, own - 1), "random_state": seed}
        resampled, _ = sampler(**how).fit_resample(rows, y)
        return np.asarray(resampled[len(rows) :], np.float64)


def _sampler(columns: int, categories: int) -> Any:
    """imbalanced-learn's class for so many columns, the last of which are categories."""
    try:
        from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC
    except (ImportError, RuntimeError, OSError) as error:
        raise MissingExtra("Smote: it needs imbalanced-learn; pip install goodfit[balance]") from error
    if categories in (0, columns):
        return SMOTEN if categories else SMOTE
    numbers = columns - categories
    return lambda **how: SMOTENC(categorical_features=list(range(numbers, columns)), **how)


def _numbers(columns: int, inputs: Inputs) -> list[int]:
    """The columns that are numbers."""
    coded = {column for first, end in inputs.groups for column in range(first, end)}
    return [column for column in range(columns) if column not in coded]


def _width(x: Tensor, inputs: Inputs) -> int:
    return len(_numbers(x.shape[1], inputs)) + len(inputs.groups)


def _coded(x: Array, inputs: Inputs) -> Array:
    """The numbers of each row, then one code for each category: 0 for none of the known ones, else from 1."""
    blocks = [x[:, first:end] for first, end in inputs.groups]
    codes = [np.where(block.any(1), 1 + block.argmax(1), 0) for block in blocks]
    return np.column_stack([x[:, _numbers(x.shape[1], inputs)], *codes])


def _decoded(rows: Array, columns: int, inputs: Inputs) -> Array:
    """The inverse of `_coded`."""
    numbers, x = _numbers(columns, inputs), np.zeros((len(rows), columns))
    x[:, numbers] = rows[:, : len(numbers)]
    for (first, end), codes in zip(inputs.groups, rows[:, len(numbers) :].T, strict=True):
        x[:, first:end] = codes[:, None] == 1 + np.arange(end - first)
    return x
