"""SMOTE: create synthetic rows of rare classes by interpolation."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.errors import InputError, MissingExtra, first_line
from goodfit.ops.class_sizes import balanced_size
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

    Helps when: classes are imbalanced, columns are few and mostly numeric, and the metric treats classes equally.
    Hurts when: a rare class consists of several clusters (rows are created between them), columns are many, predicted
    probabilities are used as such, or `ClassBalance` or `ClassWeights` is used too (corrects twice).

    >>> x, y = torch.tensor([[0.0], [0.1], [0.2], [0.3], [5.0], [6.0]]), torch.tensor([0, 0, 0, 0, 1, 1])
    >>> synthetic, labels = Smote().synthesize(x, y, Inputs(), seed=0)
    >>> labels, bool(((synthetic >= 5) & (synthetic <= 6)).all())
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

    def check(self, x: Tensor, y: Tensor, inputs: Inputs) -> None:
        if y.is_floating_point() or y.ndim != 1:
            raise InputError(
                f"Smote: the targets must be one class number per row, got {y.dtype} of shape {tuple(y.shape)}; "
                "leave it out."
            )
        match = inputs.data_kind.accepts(self, x.shape[1], inputs.words is not None)
        if not match or x.ndim != 2:
            raise InputError(f"Smote: {match.reason or f'the inputs must be rows of columns, got x {tuple(x.shape)}.'}")
        coded = sum(end - first for first, end in inputs.groups)
        _sampler(x.shape[1] - coded + len(inputs.groups), len(inputs.groups))

    def synthesize(self, x: Tensor, y: Tensor, inputs: Inputs, seed: int) -> tuple[Tensor, Tensor]:
        self.check(x, y, inputs)
        counts, groups = y.bincount().tolist(), len(inputs.groups)
        rows = _encode(x.cpu().double().numpy(), inputs)
        synthetic, labels = [np.empty((0, rows.shape[1]))], [y[:0]]
        for label, size in enumerate(counts):
            missing = balanced_size(size, max(counts), self.strength) - size if size else 0
            if missing:
                class_seed = (seed + label) % 2**32
                synthetic.append(self._interpolate(rows, y.cpu().numpy(), label, missing, class_seed, groups))
                labels.append(torch.full_like(y[:1], label).expand(missing))
        new = _decode(np.concatenate(synthetic), x.shape[1], inputs)
        return torch.from_numpy(new).to(x), torch.cat(labels)

    def _interpolate(self, rows: Array, y: Array, label: int, count: int, seed: int, categories: int) -> Array:
        """`count` synthetic rows of a class; the last `categories` columns are categories."""
        size = int((y == label).sum())
        if size == 1:
            return np.repeat(rows[y == label], count, axis=0)
        sampler = _sampler(rows.shape[1], categories)
        options = {"sampling_strategy": {label: size + count}, "k_neighbors": min(self.k, size - 1)}
        resampled, _ = sampler(**options, random_state=seed).fit_resample(rows, y)
        return np.asarray(resampled[len(rows) :], np.float64)


def _sampler(columns: int, categories: int) -> Any:
    """imbalanced-learn's class for rows whose last `categories` columns are categories and the others numbers."""
    try:
        from imblearn.over_sampling import SMOTE, SMOTEN, SMOTENC
    except (ImportError, RuntimeError, OSError) as error:
        raise MissingExtra(
            f"Smote: imbalanced-learn must be installed, got {first_line(error)}; pip install goodfit[balance]."
        ) from error
    if categories in (0, columns):
        return SMOTEN if categories else SMOTE
    numbers = columns - categories
    return lambda **options: SMOTENC(categorical_features=list(range(numbers, columns)), **options)


def _numbers(columns: int, inputs: Inputs) -> list[int]:
    """The numeric columns."""
    categorical = {column for first, end in inputs.groups for column in range(first, end)}
    return [column for column in range(columns) if column not in categorical]


def _encode(x: Array, inputs: Inputs) -> Array:
    """The numeric columns, then one integer code per category: 0 for an unknown category, otherwise from 1."""
    blocks = [x[:, first:end] for first, end in inputs.groups]
    codes = [np.where(block.any(1), 1 + block.argmax(1), 0) for block in blocks]
    return np.column_stack([x[:, _numbers(x.shape[1], inputs)], *codes])


def _decode(rows: Array, columns: int, inputs: Inputs) -> Array:
    """The inverse of `_encode`."""
    numbers, x = _numbers(columns, inputs), np.zeros((len(rows), columns))
    x[:, numbers] = rows[:, : len(numbers)]
    for (first, end), codes in zip(inputs.groups, rows[:, len(numbers) :].T, strict=True):
        x[:, first:end] = codes[:, None] == 1 + np.arange(end - first)
    return x
