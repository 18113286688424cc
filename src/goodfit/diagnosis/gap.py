"""Check whether the network is better on its training rows than on held-out rows."""

from __future__ import annotations

import math

from goodfit.diagnosis.evidence import Evidence, Finding, Interval

SHARE_OF_BASELINE = 0.05
"""A gap in the loss is large if it exceeds this share of the loss of a constant prediction …"""
SHARE_OF_STOP = 0.5
"""… or this share of the stop loss, if the accuracy gap is also significant and above `MIN_ACCURACY_GAP`."""
MIN_ACCURACY_GAP = 0.01


def check(evidence: Evidence) -> Finding:
    """Compare stop and train loss at the kept epoch; the gap is "large", "small" or "unclear"."""
    train, stop = evidence.loss("train"), evidence.loss("stop")
    gap = Interval(stop.value - train.value, math.hypot(stop.se, train.se))
    text = f"loss {train.value:.3f} on training rows, {stop.value:.3f} on stop rows; gap {gap.text()}"
    scores = (evidence.score("train"), evidence.score("stop"))
    text += f"; {evidence.metric} {scores[0].value:.3f} and {scores[1].value:.3f}"
    if not gap.known:
        return Finding("gap", "unclear", "The confidence interval of the gap is not known", text,
                       "Use a loss that returns one number per row.")  # fmt: skip
    if _is_large(gap, stop, scores, evidence):
        return Finding("gap", "large", "The network is significantly better on its training rows", text,
                       "Regularize more, or get more data.")  # fmt: skip
    if gap.high < _tolerance(stop, evidence):
        return Finding("gap", "small", "The network predicts training rows and stop rows about equally well", text)
    return Finding("gap", "unclear", "It is unclear whether the gap is large", text,
                   f"Use more than {evidence.rows['stop']} stop rows, or train with several seeds.")  # fmt: skip


def _tolerance(stop: Interval, evidence: Evidence) -> float:
    """Return the largest gap in the loss that is still small."""
    known = math.isfinite(evidence.baseline)
    return SHARE_OF_BASELINE * evidence.baseline if known else SHARE_OF_STOP / 2 * stop.value


def _is_large(gap: Interval, stop: Interval, scores: tuple[Interval, Interval], evidence: Evidence) -> bool:
    if gap.low > _tolerance(stop, evidence):
        return True
    score_gap = Interval(scores[0].value - scores[1].value, math.hypot(scores[0].se, scores[1].se))
    clear = score_gap.known and score_gap.low > 0 and score_gap.value > MIN_ACCURACY_GAP
    return clear and gap.low > 0 and gap.value > SHARE_OF_STOP * stop.value
