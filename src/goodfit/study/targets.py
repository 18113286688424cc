"""The targets by which the predictions of a study are scored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from goodfit.data import Split
from goodfit.study.design import Design


@dataclass(frozen=True, eq=False)
class Targets:
    """Targets and units of the rows outside the test part, and of the test part.

    Shape: y (rows,) class indices or float64 values in the unit of the target, indexed by the positions of
    `Predictions.rows`; units (rows,) equal for rows that are not independent. Of masks, y is empty: the predictions
    hold the counts of their pixels.
    """

    y: Tensor
    units: Tensor
    test_y: Tensor
    test_units: Tensor

    def tensors(self) -> dict[str, Tensor]:
        """The tensors by name."""
        return {"y": self.y, "units": self.units, "test_y": self.test_y, "test_units": self.test_units}

    def of(self, part: str, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Targets and units of the rows of a part."""
        if part == "test":
            return self.test_y, self.test_units
        return (self.y[rows] if len(self.y) else self.y), self.units[rows]


def targets_of(design: Design) -> Targets:
    """The targets of a data set, with the units of its design."""
    source = design.folds[0].source
    if isinstance(source, Split):
        return _of_split(source)
    division = design.folds[0].division
    assert division is not None
    official = source.test is not None
    test_y = source.test[1] if source.test else source.y[division.test]
    units = torch.from_numpy(design.units)
    test_units = torch.arange(len(test_y)) if official else units[torch.from_numpy(division.test)]
    if source.task == "segmentation":
        return Targets(torch.empty(0), units, torch.empty(0), test_units)
    return Targets(_plain(source.y), units, _plain(test_y), test_units)


def _of_split(split: Split) -> Targets:
    """The stop rows and then the validation rows, as `Fold.rows` counts them."""
    units, test_units = torch.arange(len(split.stop) + len(split.validation)), torch.arange(len(split.test))
    if split.spec.task == "segmentation":
        return Targets(torch.empty(0), units, torch.empty(0), test_units)
    y, test_y = torch.cat([split.stop.y, split.validation.y]).cpu().numpy(), split.test.y.cpu().numpy()
    if split.spec.task == "regression" and split.preprocessing is not None:
        y, test_y = (split.preprocessing.restore_target(values) for values in (y, test_y))
    return Targets(_plain(y), units, _plain(test_y), test_units)


def _plain(y: np.ndarray) -> Tensor:
    """A copy with a dtype that files can hold."""
    return torch.from_numpy(np.array(y, np.float64 if y.dtype.kind == "f" else np.int64))
