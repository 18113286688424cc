"""The answer of a study in words."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from goodfit.study.candidates import PLAIN
from goodfit.study.evidence import NOT_SHOWN, SURE, Comparison, Evidence

if TYPE_CHECKING:
    from goodfit.study.result import Study

NOT_COMPARED = "Nothing can be said yet: no recipe was compared with the plain network."
WORTHWHILE = 0.05
"""Share by which the log loss must improve to be mentioned."""
SHARES = ("accuracy", "balanced_accuracy", "f1_macro", "roc_auc", "average_precision", "iou", "calibration_error")
"""Metrics that are shares: their differences are given in points (hundredths)."""


def amount(metric: str, value: float, sign: bool = True) -> str:
    """A difference of a metric in words.

    >>> amount("balanced_accuracy", 0.031), amount("rmse", -12.34)
    ('+3.1', '-12.3')
    """
    if metric in SHARES:
        return f"{100 * value:+.1f}" if sign else f"{100 * value:.1f}"
    return f"{value:+.3g}" if sign else f"{value:.3g}"


def count(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count(1, "trial"), count(2, "trial")
    ('1 trial', '2 trials')
    """
    return f"{number} {noun}{'s' * (number != 1)}"


def unit(metric: str) -> str:
    """The unit of a difference: "points" of a share, else nothing."""
    return " points" if metric in SHARES else ""


def sentence(study: Study, evidence: Evidence) -> str:
    """The answer: which recipe is recommended, how sure that is, how much better it is, what remains unknown."""
    if not study.fits:
        return NOT_COMPARED
    plain = study.fits_of(PLAIN)
    if plain and all(fit.failure for fit in plain):
        return f"{NOT_COMPARED} Training of the plain network failed ({plain[0].failure.rstrip('.')})."
    if not any(math.isfinite(c.gain) for c in evidence.comparisons) and len(study.labels) > 1:
        return NOT_COMPARED
    recommended = evidence.recommended
    parts = [_recommendation(study, evidence, recommended) if recommended else _nothing(study, evidence)]
    smallest = evidence.smallest_detectable
    if math.isfinite(smallest):
        parts.append(
            f"Effects below {amount(evidence.metric, smallest, sign=False)}{unit(evidence.metric)} could not be "
            "detected reliably."
        )
    calibration = _calibration(study, evidence)
    return " ".join([*parts, *([calibration] if calibration else [])])


def _recommendation(study: Study, evidence: Evidence, best: Comparison) -> str:
    metric, direction = evidence.metric, 1 if study.higher_is_better_in(evidence.metric) else -1
    low, high = sorted(direction * end for end in (best.low, best.high))
    values = [amount(metric, v) for v in (direction * best.gain, low, high)]
    fits = len(study.fits_of(best.candidate.label))
    searched = f" after {count(study.trials, 'trial')}" if study.trials else ""
    word = f"is {best.confidence} to predict better" if best.confidence == SURE else "is likely to predict better"
    tested = study.difference(best.candidate.label, metric, part="test")
    test = f"; test {_interval(metric, tested.mean, tested.low, tested.high)}" if tested.n and tested.known else ""
    return (
        f"{best.candidate.label} {word}: {metric} {values[0]}{unit(metric)} [{values[1]}, {values[2]}] over the plain "
        f"network ({fits} fits each, {study.scored_rows} rows, p {_p(best.p_adjusted)}{searched}){test}."
    )


def _nothing(study: Study, evidence: Evidence) -> str:
    known = [c for c in evidence.comparisons if math.isfinite(c.high)]
    among = f" ({count(study.trials, 'trial')} screened)" if study.trials else ""
    if not known:
        return f"Nothing is shown to predict better than the plain network{among}."
    largest = max(c.high for c in known)
    excluded = (
        f": gains above {amount(evidence.metric, largest, sign=False)}{unit(evidence.metric)} are excluded for "
        f"{count(len(known), 'compared recipe')}"
        if largest > 0
        else f": {count(len(known), 'compared recipe')} predicted {'the same or ' * _any_equal(known)}worse"
    )
    return f"Nothing is shown to predict better than the plain network{excluded}{among}."


def _any_equal(known: Sequence[Comparison]) -> bool:
    return any(c.gain == c.error == 0 for c in known)


def _calibration(study: Study, evidence: Evidence) -> str:
    """What improves the log loss, and how much of it temperature scaling of the plain network gains."""
    if study.spec.task != "classification" or evidence.metric == "log_loss":
        return ""
    best = study.evidence("log_loss").recommended
    if best is None or best.confidence == NOT_SHOWN:
        return ""
    plain, own, scaled = (
        study.plain_score("log_loss"),
        study.estimate(best.candidate.label, "log_loss").mean,
        (study.plain_score("log_loss_calibrated")),
    )
    if not all(map(math.isfinite, (plain, own, scaled))) or own > (1 - WORTHWHILE) * plain:
        return ""
    who = "The recipe also" if best.candidate.label == study.recommended().label else best.candidate.label
    return (
        f"{who} improves calibration (log loss {plain:.3g} to {own:.3g}; temperature scaling of the "
        f"plain network alone {scaled:.3g})."
    )


def _interval(metric: str, *values: float) -> str:
    mean, low, high = (amount(metric, value) for value in values)
    return f"{mean} [{low}, {high}]"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"= {value:.2g}"
