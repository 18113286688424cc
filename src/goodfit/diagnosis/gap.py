"""Is the network better on the rows it was trained on than on others?"""

from __future__ import annotations

import math

from goodfit.diagnosis.evidence import Evidence, Finding, Interval

OF_BASELINE = 0.05
"""A gap of the loss is material from this share of the trivial loss on …"""
OF_STOP = 0.5
"""… or from this share of the stop loss itself, where the accuracy's gap is sure too and above `METRIC`."""
METRIC = 0.01


def check(evidence: Evidence) -> Finding:
    """The gap between stop and train loss at the kept epoch: material, absent or unclear."""
    train, stop = evidence.loss("train"), evidence.loss("stop")
    gap = Interval(stop.value - train.value, math.hypot(stop.se, train.se))
    text = f"loss {train.value:.3f} on training rows, {stop.value:.3f} on stop rows: gap {gap.text()}"
    scores = (evidence.score("train"), evidence.score("stop"))
    text += f"; {evidence.metric} {scores[0].value:.3f} and {scores[1].value:.3f}"
    if not gap.known:
        return Finding(
            "gap", "unclear", "The gap has no interval", text, "Give a loss that returns one number per row."
        )
    if _material(gap, stop, scores, evidence):
        return Finding("gap", "material", "The network is surely better on its training rows", text,
                       "Regularize more, or get more data.")  # fmt: skip
    if gap.high < _tolerance(stop, evidence):
        return Finding("gap", "absent", "Training and stop rows are predicted about equally well", text)
    return Finding("gap", "unclear", "The gap may or may not matter", text,
                   f"Measure on more than {evidence.rows['stop']} stop rows, or over several seeds.")  # fmt: skip


def _tolerance(stop: Interval, evidence: Evidence) -> float:
    known = math.isfinite(evidence.baseline)
    return OF_BASELINE * evidence.baseline if known else OF_STOP / 2 * stop.value


def _material(gap: Interval, stop: Interval, scores: tuple[Interval, Interval], evidence: Evidence) -> bool:
    if gap.low > _tolerance(stop, evidence):
        return True
    apart = Interval(scores[0].value - scores[1].value, math.hypot(scores[0].se, scores[1].se))
    return gap.low > 0 and gap.value > OF_STOP * stop.value and apart.known and apart.low > 0 and apart.value > METRIC
