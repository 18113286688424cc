"""Honest measurement: evaluation mode, clean data, data loss apart from penalties."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from goodfit.data import Metric, Part, Split
from goodfit.data.metrics import predicted_classes
from goodfit.data.storage import take_rows
from goodfit.train.losses import Criterion, by_row
from goodfit.train.rng import generator

ROWS = 2048
"""Rows evaluated at a time, and below which the whole training part is measured."""
NUMBERS = 2**22
"""Numbers of inputs evaluated at a time: fewer rows where each is large, so that their activations fit into memory."""
SHARE = 0.1
"""Share of a larger training part that is measured: about a thirtieth of an epoch's arithmetic."""


def outputs(model: nn.Module, x: Tensor) -> Tensor:
    """The network's raw outputs for all rows, in evaluation mode and without gradients."""
    model.eval()
    with torch.inference_mode():
        return torch.cat([model(chunk) for chunk in x.split(at_once(x))])


def masks(model: nn.Module, x: Tensor) -> Tensor:
    """The class (rows, height, width) uint8 that a network names for each pixel of images x, in evaluation mode."""
    model.eval()
    with torch.inference_mode():
        return torch.cat([named(model(chunk)) for chunk in x.split(at_once(x))])


def named(output: Tensor) -> Tensor:
    """The classes (rows, height, width) uint8 from logits (rows, class, height, width)."""
    return predicted_classes(output.movedim(1, -1)).to(torch.uint8)


def at_once(x: Tensor) -> int:
    """How many rows of x (n, …) are evaluated at a time.

    >>> at_once(torch.zeros(1, 20)), at_once(torch.zeros(1, 3, 256, 256))
    (2048, 21)
    """
    return max(1, min(ROWS, NUMBERS // max(1, x[0].numel())))


@dataclass(frozen=True)
class Evaluation:
    """Mean data loss per row, its standard error, and the metric."""

    loss: float
    loss_se: float
    metric: float


def measure(model: nn.Module, x: Tensor, y: Tensor, criterion: Criterion, metric: Metric) -> Evaluation:
    """Loss and metric of a network on rows x (n, …), y (n,), (n, 1) or, masks, (n, height, width)."""
    if y.ndim > 2:
        return _measure_masks(model, x, y, criterion, metric)
    output = outputs(model, x)
    with torch.inference_mode():
        rows = criterion.rows(output, y)
    return _measured(rows, metric(output, y))


def _measured(rows: Tensor, score: float) -> Evaluation:
    if rows.ndim == 0:
        return Evaluation(float(rows), math.nan, score)
    n = len(rows)
    spread = float(rows.std()) if n > 1 else math.nan
    return Evaluation(float(rows.mean()), spread / math.sqrt(n), score)


def _measure_masks(model: nn.Module, x: Tensor, y: Tensor, criterion: Criterion, metric: Metric) -> Evaluation:
    """The same part by part: logits of every pixel of all rows would not fit into memory."""
    model.eval()
    rows: list[Tensor] = []
    whole: list[Tensor] = []
    found, classes = [], 0
    with torch.inference_mode():
        for some, targets in zip(x.split(at_once(x)), y.split(at_once(x)), strict=True):
            output = model(some)
            losses = by_row(criterion.rows(output, targets))
            (rows if losses.ndim else whole).append(losses)
            found.append(named(output))
            classes = output.shape[1]
    losses = torch.cat(rows) if rows else torch.stack(whole).mean()
    finite = bool(torch.isfinite(losses).all())
    return _measured(losses, metric.of_classes(torch.cat(found), y, classes) if finite else math.nan)


def training_sample(train: Part, seed: int) -> tuple[Tensor, Tensor]:
    """The training rows that are measured each epoch: all of a small part, a fixed random sample of a large one."""
    n = len(train)
    size = min(n, max(ROWS, math.ceil(SHARE * n)))
    if size == n:
        return train.x, train.y
    rows = torch.randperm(n, generator=generator(seed, 0, "sample"))[:size].sort().values
    return take_rows(train.x, rows), train.y[rows]


def constant(criterion: Criterion, split: Split) -> float:
    """The data loss, on the stop part, of the best constant prediction learned from the training part.

    Class frequencies for the usual losses of classes, mean (for mae the median) for those of numbers; NaN for a loss
    of the user's.
    """
    y, stop = split.train.y, split.stop.y
    if criterion.name in ("cross_entropy", "binary_cross_entropy"):
        counts = torch.bincount(y.flatten(), minlength=len(split.spec.classes)).double() + 0.5  # no class is impossible
        output = counts.log()
        if criterion.name == "binary_cross_entropy":
            output = output[1:] - output[:1]
    elif criterion.name in ("mse", "mae", "huber"):
        output = y.median(0).values if criterion.name == "mae" else y.mean(0)
    else:
        return math.nan
    if stop.ndim > 2:  # masks
        return float(criterion.rows(output[:, None, None].expand(len(stop), -1, *stop.shape[1:]), stop).mean())
    return float(criterion.rows(output.expand(len(stop), -1), stop).mean())
