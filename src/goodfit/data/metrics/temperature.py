"""The temperature that calibrates the probabilities of a classifier."""

from __future__ import annotations

import math

import numpy as np
import torch

from goodfit.data.metrics.logits import all_logits
from goodfit.data.metrics.metric import METRICS

RANGE = (1 / 100, 100.0)


def temperature(outputs: torch.Tensor, targets: torch.Tensor) -> float:
    """The temperature T in [1/100, 100] that minimizes the log loss of outputs / T.

    It is 1 if no other T lowers the log loss, if there are fewer than 2 rows, or if the outputs are not finite. The
    search uses the mean of −log p without the upper limit that `log_loss` has, because it has a single minimum.

    Shape: as for `Metric`: outputs (rows, classes), (rows, 1) or (rows,) logits; targets (rows,) class indices. With
    masks, every pixel counts as a row.

    >>> round(temperature(torch.tensor([4.0, 4.0, 4.0, 4.0]), torch.tensor([1, 1, 1, 0])), 2)  # 4 / log 3
    3.64

    Reference: C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, On calibration of modern neural networks, ICML 2017,
    https://arxiv.org/abs/1706.04599

    Raises:
        InputError: outputs and targets do not fit each other.
    """
    log_loss = METRICS["log_loss"]
    before = log_loss(outputs, targets)
    if targets.numel() < 2 or math.isnan(before):
        return 1.0
    logits = all_logits(outputs.movedim(1, -1) if outputs.ndim == 4 else outputs)
    best = _minimum(logits, targets.cpu().long()[..., None])
    return best if log_loss(outputs.double() / best, targets) < before else 1.0


def _minimum(logits: torch.Tensor, index: torch.Tensor) -> float:
    """The temperature with the smallest cross-entropy: logits (…, classes), indices of the classes (…, 1)."""
    from scipy.optimize import minimize_scalar

    def cross_entropy(log_temperature: float) -> float:
        log_p = (logits / math.exp(log_temperature)).log_softmax(-1)
        return -float(log_p.gather(-1, index).numpy().mean())

    low, high = map(math.log, RANGE)
    with np.errstate(all="ignore"):
        minimum = minimize_scalar(cross_entropy, bounds=(low, high), method="bounded", options={"xatol": 1e-7})
    return math.exp(minimum.x)
