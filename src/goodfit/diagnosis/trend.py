"""Where is the stop curve going?"""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from goodfit.diagnosis.evidence import Evidence, Finding

LEAST = 5
"""Epochs below which a trend is not told."""
CHANGE = 0.02
"""Share of the trivial loss (or of the curve's own level) by which a curve must move to count."""


def check(evidence: Evidence) -> Finding:
    """The stop loss behind its best epoch, and over the last third: rising, falling, flat, short or unclear."""
    curve = np.array(evidence.history["stop_loss"], dtype=float)
    if not np.isfinite(curve).all():
        return Finding("trend", "unclear", "The stop loss is not a number in every epoch",
                       f"not finite in {int((~np.isfinite(curve)).sum())} of {len(curve)} epochs",
                       "Look for extreme values in the stop rows; lower the learning rate.")  # fmt: skip
    if len(curve) < LEAST:
        return Finding("trend", "short", f"{len(curve)} epochs are too few to see a trend", f"stop loss {_ends(curve)}",
                       f"Train for at least {LEAST} epochs.")  # fmt: skip
    scale = CHANGE * (evidence.baseline if math.isfinite(evidence.baseline) else abs(float(curve[0])))
    best = int(curve.argmin())
    behind, last = curve[best:], curve[-max(LEAST, len(curve) // 3) :]
    if float(behind[-3:].mean()) - float(curve[best]) > scale and _tau(behind) > 0:
        text = f"stop loss {curve[best]:.3f} at epoch {best + 1}, {curve[-1]:.3f} at epoch {len(curve)}"
        return Finding("trend", "rising", f"The stop loss rises again after epoch {best + 1}", text,
                       "Stop early and keep the best weights (early_stopping), or regularize more.")  # fmt: skip
    if float(last[0] - last[-1]) > scale and _tau(last) < 0:
        text = f"over the last {len(last)} epochs from {last[0]:.3f} to {last[-1]:.3f}"
        return Finding("trend", "falling", "The stop loss is still falling when training ends", text,
                       "Train longer, or with a higher learning rate.")  # fmt: skip
    return Finding("trend", "flat", "The stop loss has levelled off", f"stop loss {_ends(curve)}, least at {best + 1}")


def _tau(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> float:
    """Kendall's rank correlation with time where it is significant at 5 %, else zero."""
    if len(values) < LEAST or float(np.ptp(values)) == 0:
        return 0.0
    tau, p = stats.kendalltau(np.arange(len(values)), values)
    return float(tau) if p < 0.05 else 0.0


def _ends(curve: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    return f"{curve[0]:.3f} at the first epoch, {curve[-1]:.3f} at the last" if len(curve) else "not measured"
