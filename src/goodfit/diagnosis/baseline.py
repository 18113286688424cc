"""Has the network learned more than a constant prediction?"""

from __future__ import annotations

import math

from goodfit.diagnosis.evidence import Evidence, Finding

LITTLE = 0.1
"""Share of the trivial loss that training must have removed for the network to have learned something."""


def check(evidence: Evidence) -> Finding:
    """Skill = 1 − loss / trivial loss, on stop and training rows: learned, memorised, nothing or unclear."""
    base, stop, train = evidence.baseline, evidence.loss("stop"), evidence.loss("train")
    if not math.isfinite(base) or base <= 0 or not stop.known:
        return Finding("baseline", "unclear", "There is no trivial loss to compare with", f"stop loss {stop.value:.3f}")
    text = (
        f"a constant prediction has loss {base:.3f} on the stop rows; the network {stop.text()} there, "
        f"{train.value:.3f} on training rows"
    )
    if stop.high < base * (1 - LITTLE):
        return Finding(
            "baseline",
            "learned",
            f"The network removes {1 - stop.value / base:.0%} of the trivial loss",
            text,
        )
    if 1 - train.value / base < LITTLE:
        return Finding("baseline", "nothing", "The network has learned little more than a constant", text,
                       "Check the features and the learning rate; use a larger network or train longer.")  # fmt: skip
    if stop.low > base * (1 - LITTLE):
        return Finding("baseline", "memorised", "What it learned does not carry over to other rows", text,
                       "Regularize strongly, simplify the network, or get more data.")  # fmt: skip
    return Finding("baseline", "unclear", "It is not sure that it beats a constant prediction", text,
                   "Measure on more stop rows.")  # fmt: skip
