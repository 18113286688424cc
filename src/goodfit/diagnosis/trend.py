"""Check the trend of the stop loss."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from goodfit.diagnosis.evidence import Evidence, Finding

MIN_EPOCHS = 5
"""The number of epochs that a trend needs."""
MIN_CHANGE = 0.02
"""The smallest change that counts, as a share of the loss of a constant prediction or, if unknown, the first loss."""


def check(evidence: Evidence) -> Finding:
    """Test the stop loss for a trend after its best epoch and over its last third.

    The result is "rising", "falling", "flat", "short" or "unclear".
    """
    curve = np.array(evidence.history["stop_loss"], dtype=float)
    if not np.isfinite(curve).all():
        return Finding("trend", "unclear", "The stop loss is not finite in every epoch",
                       f"not finite in {int((~np.isfinite(curve)).sum())} of {len(curve)} epochs",
                       "Check the stop rows for extreme values; use a lower learning rate.")  # fmt: skip
    if len(curve) < MIN_EPOCHS:
        return Finding("trend", "short", f"{len(curve)} epochs are too few to see a trend", f"stop loss {_ends(curve)}",
                       f"Train for at least {MIN_EPOCHS} epochs.")  # fmt: skip
    change = MIN_CHANGE * (evidence.baseline if math.isfinite(evidence.baseline) else abs(float(curve[0])))
    best = int(curve.argmin())
    after, last = curve[best:], curve[-max(MIN_EPOCHS, len(curve) // 3) :]
    if float(after[-3:].mean()) - float(curve[best]) > change and _tau(after) > 0:
        text = f"stop loss {curve[best]:.3f} at epoch {best + 1}, {curve[-1]:.3f} at epoch {len(curve)}"
        return Finding("trend", "rising", f"The stop loss rises after epoch {best + 1}", text,
                       "Stop early and keep the best weights (early_stopping), or regularize more.")  # fmt: skip
    if float(last[0] - last[-1]) > change and _tau(last) < 0:
        text = f"from {last[0]:.3f} to {last[-1]:.3f} over the last {len(last)} epochs"
        return Finding("trend", "falling", "The stop loss is still falling at the end of training", text,
                       "Train longer, or with a higher learning rate.")  # fmt: skip
    return Finding("trend", "flat", "The stop loss has levelled off",
                   f"stop loss {_ends(curve)}; lowest at epoch {best + 1}")  # fmt: skip


def _tau(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """Return Kendall's rank correlation with the epoch, or zero if it is not significant at the 5 % level."""
    if len(values) < MIN_EPOCHS or float(np.ptp(values)) == 0:
        return 0.0
    tau, p = stats.kendalltau(np.arange(len(values)), values)
    return float(tau) if p < 0.05 else 0.0


def _ends(curve: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    return f"{curve[0]:.3f} at the first epoch, {curve[-1]:.3f} at the last" if len(curve) else "not measured"
