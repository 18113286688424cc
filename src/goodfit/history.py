"""The metrics of a training run, one row per epoch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from goodfit.errors import InputError, near

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class History:
    """A table with one row per epoch and columns of floats. Rows can only be appended.

    Columns of every run:

    - `epoch`: from 1.
    - `train_loss`, `stop_loss`: mean data loss per row, in evaluation mode, without augmentation and penalties.
    - `train_loss_se`, `stop_loss_se`: their standard errors.
    - `train_NAME`, `stop_NAME`: the metric NAME.
    - `batch_loss`: mean loss of the epoch's training batches, in training mode.
    - `penalty_NAME`: the value of each weight penalty.
    - `learning_rate`, `seconds`.

    >>> history = History()
    >>> history.append({"epoch": 1, "stop_loss": 0.5})
    >>> history["stop_loss"], len(history)
    ([0.5], 1)
    """

    rows: list[dict[str, float]] = field(default_factory=list)

    def append(self, row: Mapping[str, float]) -> None:
        """Append the row of an epoch."""
        self.rows.append(dict(row))

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, float]]:
        return iter(self.rows)

    def __getitem__(self, column: str) -> list[float]:
        """The values of a column, NaN in epochs without it; empty before the first epoch.

        Raises:
            InputError: no epoch has this column.
        """
        if self.rows and not any(column in row for row in self.rows):
            raise InputError(f"history: there is no column '{column}'.{near(column, self.columns)}")
        return [row.get(column, math.nan) for row in self.rows]

    @property
    def columns(self) -> list[str]:
        """The names of the columns, in the order in which they first appear."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def at(self, epoch: int) -> dict[str, float]:
        """The row of an epoch (from 1).

        Raises:
            InputError: the history has no such epoch.
        """
        for row in self.rows:
            if row["epoch"] == epoch:
                return row
        raise InputError(f"history: epoch must be one of its {len(self.rows)} epochs, got epoch={epoch}.")

    def frame(self) -> pd.DataFrame:
        """The table as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.rows)

    def to_dict(self) -> dict[str, list[float]]:
        """The values by column, as JSON-serializable data."""
        return {c: self[c] for c in self.columns}

    @classmethod
    def from_dict(cls, data: Mapping[str, list[Any]]) -> History:
        """The inverse of `to_dict`; also converts "nan" and "inf", which JSON stores as text."""
        columns = list(data)
        rows = zip(*data.values(), strict=True)
        return cls([dict(zip(columns, map(_number, row), strict=True)) for row in rows])


def _number(value: Any) -> float:
    return float(value) if isinstance(value, str) else value
