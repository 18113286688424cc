"""Metrics of probabilities, for many networks at once.

Shape: targets (members or 1, rows) int64, logits (members, rows, classes or 1) → (members,), or (members, rows)
without each row.
"""

from __future__ import annotations

import math

import numpy as np
import torch

from goodfit.data.metrics.averages import ALL_ROWS, Average
from goodfit.data.metrics.logits import all_logits, predicted_classes, probabilities
from goodfit.types import Array

BINS = 15
"""The number of intervals of the confidence in `calibration_error`."""


def log_loss(y: torch.Tensor, logits: torch.Tensor, average: Average = ALL_ROWS) -> Array:
    """The mean of −log p, p being the probability of the row's class, at least ε."""
    log_p = all_logits(logits).log_softmax(-1)
    log_likelihood = log_p.gather(-1, _index(y, log_p))[..., 0]
    losses: Array = -log_likelihood.clamp(min=math.log(np.finfo(np.float64).eps)).numpy()
    return average(losses)


def brier_score(y: torch.Tensor, logits: torch.Tensor, average: Average = ALL_ROWS) -> Array:
    """The mean of the sum over the classes of (p − 1 for the row's class, else p)²; half of it for two classes."""
    p = all_logits(logits).softmax(-1)
    index = _index(y, p)
    errors = p.scatter(-1, index, p.gather(-1, index) - 1).numpy()
    squared: Array = (errors**2).sum(-1)
    return average(squared / 2 if p.shape[-1] == 2 else squared)


def calibration_error(y: torch.Tensor, logits: torch.Tensor, average: Average = ALL_ROWS) -> Array:
    """The expected calibration error of the predicted class.

    The rows are divided by their confidence, the largest p, into 15 intervals (0, 1/15], …, (14/15, 1]. The error is
    the sum over the intervals of |mean confidence − share of correct predictions| · share of the rows.

    Reference: M. P. Naeini, G. Cooper and M. Hauskrecht, Obtaining well calibrated probabilities using Bayesian
    binning, AAAI 2015, https://doi.org/10.1609/aaai.v29i1.9602; C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, On
    calibration of modern neural networks, ICML 2017, https://arxiv.org/abs/1706.04599
    """
    confidence = probabilities(logits).max(-1)
    gaps = confidence - (predicted_classes(logits).cpu().numpy() == y.numpy())
    bins = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], confidence)
    errors = (np.abs(average(np.where(bins == k, gaps, 0.0))) for k in range(BINS))
    # np.sum would add them in an order that depends on the number of members.
    return sum(errors, start=np.zeros(1))


def _index(y: torch.Tensor, of_classes: torch.Tensor) -> torch.Tensor:
    """The index of the row's class: (members or 1, rows) → (members, rows, 1)."""
    return y.expand(len(of_classes), -1)[..., None]
