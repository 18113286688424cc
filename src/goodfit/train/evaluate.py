"""Honest measurement: evaluation mode, clean data, data loss apart from penalties."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from goodfit.data import Metric, Part, Split
from goodfit.train.losses import Criterion
from goodfit.train.seeds import generator

ROWS = 2048
"""Rows evaluated at a time, and below which the whole training part is measured."""
SHARE = 0.1
"""Share of a larger training part that is measured: about a thirtieth of an epoch's arithmetic."""


def outputs(model: nn.Module, x: Tensor) -> Tensor:
    """The network's raw outputs for all rows, in evaluation mode and without gradients."""
    model.eval()
    with torch.inference_mode():
        return torch.cat([model(chunk) for chunk in x.split(ROWS)])


@dataclass(frozen=True)
class Measured:
    """Mean data loss per row, its standard error, and the metric."""

    loss: float
    loss_se: float
    metric: float


def measure(model: nn.Module, x: Tensor, y: Tensor, criterion: Criterion, metric: Metric) -> Measured:
    """Loss and metric of a network on rows x (n, …), y (n,) or (n, 1)."""
    output = outputs(model, x)
    with torch.inference_mode():
        rows = criterion.rows(output, y)
    n = len(x)
    if rows.ndim == 0:
        return Measured(float(rows), math.nan, metric(output, y))
    spread = float(rows.std()) if n > 1 else math.nan
    return Measured(float(rows.mean()), spread / math.sqrt(n), metric(output, y))


def training_sample(train: Part, seed: int) -> tuple[Tensor, Tensor]:
    """The training rows that are measured each epoch: all of a small part, a fixed random sample of a large one."""
    n = len(train)
    size = min(n, max(ROWS, math.ceil(SHARE * n)))
    if size == n:
        return train.x, train.y
    rows = torch.randperm(n, generator=generator(seed, 0, "sample"))[:size].sort().values
    return train.x[rows], train.y[rows]


def constant(criterion: Criterion, split: Split) -> float:
    """The data loss, on the stop part, of the best constant prediction learned from the training part.

    Class frequencies for the usual losses of classes, mean (for mae the median) for those of numbers; NaN for a loss
    of the user's.
    """
    y, stop = split.train.y, split.stop.y
    if criterion.name in ("cross_entropy", "binary_cross_entropy"):
        counts = torch.bincount(y, minlength=len(split.spec.classes)).double() + 0.5  # no class is impossible
        output = counts.log()
        if criterion.name == "binary_cross_entropy":
            output = output[1:] - output[:1]
    elif criterion.name in ("mse", "mae", "huber"):
        output = y.median(0).values if criterion.name == "mae" else y.mean(0)
    else:
        return math.nan
    return float(criterion.rows(output.expand(len(stop), -1), stop).mean())
