"""Evaluation of networks: loss and metric on clean data, in evaluation mode, without penalties."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from goodfit.data import Metric, Part, Split
from goodfit.data.storage import take_rows
from goodfit.train.losses import Criterion, by_row
from goodfit.train.predict import ROWS, chunk_size, mask_of, predict_outputs
from goodfit.train.rng import generator

SHARE = 0.1
"""Share of a large training part that is evaluated each epoch: about a thirtieth of an epoch's arithmetic."""


@dataclass(frozen=True)
class Evaluation:
    """Mean data loss per row, its standard error, and the metric."""

    loss: float
    loss_se: float
    metric: float


def evaluate(model: nn.Module, x: Tensor, y: Tensor, criterion: Criterion, metric: Metric) -> Evaluation:
    """Loss and metric of a network on rows x (n, …) with targets y (n,) or (n, 1), or masks (n, height, width)."""
    if y.ndim > 2:
        return _evaluate_masks(model, x, y, criterion, metric)
    output = predict_outputs(model, x)
    with torch.inference_mode():
        losses = criterion.losses(output, y)
    return _evaluation(losses, metric(output, y))


def _evaluation(losses: Tensor, score: float) -> Evaluation:
    if losses.ndim == 0:
        return Evaluation(float(losses), math.nan, score)
    n = len(losses)
    deviation = float(losses.std()) if n > 1 else math.nan
    return Evaluation(float(losses.mean()), deviation / math.sqrt(n), score)


def _evaluate_masks(model: nn.Module, x: Tensor, y: Tensor, criterion: Criterion, metric: Metric) -> Evaluation:
    """Chunk by chunk: the logits of every pixel of all rows would not fit in memory."""
    model.eval()
    per_row: list[Tensor] = []
    per_chunk: list[Tensor] = []
    predicted, classes = [], 0
    with torch.inference_mode():
        for rows, targets in zip(x.split(chunk_size(x)), y.split(chunk_size(x)), strict=True):
            output = model(rows)
            losses = by_row(criterion.losses(output, targets))
            (per_row if losses.ndim else per_chunk).append(losses)
            predicted.append(mask_of(output))
            classes = output.shape[1]
    losses = torch.cat(per_row) if per_row else torch.stack(per_chunk).mean()
    finite = bool(torch.isfinite(losses).all())
    return _evaluation(losses, metric.of_classes(torch.cat(predicted), y, classes) if finite else math.nan)


def training_sample(train: Part, seed: int) -> tuple[Tensor, Tensor]:
    """The training rows that are evaluated each epoch: all of a small part, a fixed random sample of a large one."""
    n = len(train)
    size = min(n, max(ROWS, math.ceil(SHARE * n)))
    if size == n:
        return train.x, train.y
    rows = torch.randperm(n, generator=generator(seed, 0, "sample"))[:size].sort().values
    return take_rows(train.x, rows), train.y[rows]


def constant_prediction_loss(criterion: Criterion, split: Split) -> float:
    """The data loss on the stop part of the best constant prediction, learned from the training part.

    The prediction is the class frequencies for classification losses, and the mean (for mae the median) for
    regression losses. NaN for a loss of the user's own.
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
        return float(criterion.losses(output[:, None, None].expand(len(stop), -1, *stop.shape[1:]), stop).mean())
    return float(criterion.losses(output.expand(len(stop), -1), stop).mean())
