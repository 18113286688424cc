"""Check whether the network is better than a constant prediction."""

from __future__ import annotations

import math

from goodfit.diagnosis.evidence import Evidence, Finding

MIN_SKILL = 0.1
"""The share of the loss of a constant prediction that a network must remove to have learned something."""


def check(evidence: Evidence) -> Finding:
    """Compare the loss with that of the best constant prediction, on stop and training rows.

    The result is "learned", "memorized", "not learned" or "unclear".
    """
    baseline, stop, train = evidence.baseline, evidence.loss("stop"), evidence.loss("train")
    if not math.isfinite(baseline) or baseline <= 0:
        return Finding("baseline", "unclear", "The loss of a constant prediction is not known",
                       f"stop loss {stop.value:.3f}")  # fmt: skip
    if not stop.known:
        return Finding("baseline", "unclear", "The confidence interval of the stop loss is not known",
                       f"stop loss {stop.value:.3f}; a constant prediction has {baseline:.3f}",
                       "Use a loss that returns one number per row.")  # fmt: skip
    text = (
        f"loss {stop.text()} on stop rows, {train.value:.3f} on training rows; "
        f"a constant prediction has {baseline:.3f} on stop rows"
    )
    if stop.high < baseline * (1 - MIN_SKILL):
        title = f"The loss is {1 - stop.value / baseline:.0%} lower than that of a constant prediction"
        return Finding("baseline", "learned", title, text)
    if 1 - train.value / baseline < MIN_SKILL:
        return Finding("baseline", "not learned", "The network is hardly better than a constant prediction", text,
                       "Check the features and the learning rate; use a larger network or train longer.")  # fmt: skip
    if stop.low > baseline * (1 - MIN_SKILL):
        return Finding("baseline", "memorized", "The network does not generalize beyond its training rows", text,
                       "Regularize strongly, use a smaller network, or get more data.")  # fmt: skip
    return Finding("baseline", "unclear", "The network may be no better than a constant prediction", text,
                   "Use more stop rows.")  # fmt: skip
