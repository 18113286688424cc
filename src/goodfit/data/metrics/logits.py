"""Predicted classes and probabilities from logits, also for many networks."""

from __future__ import annotations

import torch

from goodfit.types import Array


def predicted_classes(outputs: torch.Tensor) -> torch.Tensor:
    """The predicted class index of each row.

    Shape: (…, rows, classes) or (…, rows, 1) logits → (…, rows) int64; (rows,) → the same.
    """
    logits = _with_classes(outputs)
    if logits.shape[-1] == 1:
        return (logits[..., 0] > 0).long()
    if logits.shape[-1] == 2:  # many times faster than argmax
        return (logits[..., 1] > logits[..., 0]).long()
    return logits.argmax(-1)


def probabilities(outputs: torch.Tensor) -> Array:
    """The probability of each class in float64; the sum over the classes is 1.

    Shape: (…, rows, classes) → the same; (…, rows, 1) or (rows,) → (…, rows, 2).
    """
    array: Array = all_logits(outputs).softmax(-1).numpy()
    return array


def log_odds(outputs: torch.Tensor) -> Array:
    """log(p / (1 − p)) of each class, which has the order of p, even where p is rounded to 1.0.

    Shape: (…, rows, classes) → the same; (…, rows, 1) or (rows,) → (…, rows, 2).
    """
    logits = all_logits(outputs)
    if logits.shape[-1] == 2:
        return (logits - logits.flip(-1)).numpy()
    log_p = logits.log_softmax(-1)
    largest = logits.argmax(-1, keepdim=True)
    # Only the largest p can be near 1; its odds are computed from the other logits, without 1 − p.
    others = logits.scatter(-1, largest, -torch.inf).logsumexp(-1, keepdim=True)
    odds = log_p - torch.log1p(-log_p.exp().clamp(max=0.5))
    array: Array = odds.scatter(-1, largest, logits.gather(-1, largest) - others).numpy()
    return array


def _with_classes(outputs: torch.Tensor) -> torch.Tensor:
    return outputs[:, None] if outputs.ndim == 1 else outputs


def all_logits(outputs: torch.Tensor) -> torch.Tensor:
    """Logits of every class, in float64.

    Shape: (…, rows, classes) → the same; (…, rows, 1) or (rows,) → (…, rows, 2).
    """
    logits = _with_classes(outputs.detach()).cpu().double()
    if logits.shape[-1] == 1:
        logits = torch.cat([torch.zeros_like(logits), logits], -1)
    return logits.contiguous()
