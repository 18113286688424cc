"""Combine the findings of the checks into a verdict: underfit, good fit, overfit or cannot tell."""

from __future__ import annotations

from dataclasses import dataclass

from goodfit.diagnosis import baseline, gap, trend
from goodfit.diagnosis.baseline import MIN_SKILL
from goodfit.diagnosis.evidence import Diagnosable, Evidence, Finding

CHECKS = (gap.check, trend.check, baseline.check)

RUN_A_STUDY = "Regularize: run a study to see which technique helps on this data and how much."
"""The first next step of an overfit network; a study replaces it by its result."""
NEXT = {
    "overfit": (
        RUN_A_STUDY,
        "Get more training rows, or augment the existing ones.",
        "Use a smaller network or another architecture.",
    ),
    "underfit": (
        "Train longer, or with a higher learning rate or a schedule.",
        "Use more units or layers, another architecture, or better features.",
        "Regularize less.",
    ),
    "good fit": (
        "Keep this network. To improve it, try a larger network together with more regularization.",
        "Confirm the score on the test part once, at the end.",
    ),
    "cannot tell": (
        "Use more stop rows, or train with several seeds.",
        "Train for more epochs, so that the curves show a trend.",
    ),
}

HEADLINES = {
    "overfit": "The network predicts its training rows better than other rows.",
    "underfit": "The network has not learned enough: it can still improve.",
    "good fit": "The network predicts other rows about as well as its training rows.",
    "cannot tell": "There is not enough evidence for a verdict.",
}


@dataclass(frozen=True)
class Verdict:
    """A label ("overfit", "underfit", "good fit" or "cannot tell") with its findings and suggested next steps."""

    label: str
    headline: str
    findings: tuple[Finding, ...]
    next_steps: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.label}: {self.headline}"]
        lines += [f"  - {f.title} ({f.evidence})" for f in self.findings]
        return "\n".join([*lines, "next steps:", *(f"  - {step}" for step in self.next_steps)])


def diagnose(run: Diagnosable) -> Verdict:
    """Decide whether a run underfits, fits well or overfits, with evidence and suggested next steps.

    Three checks support the verdict. The first compares the data losses (without penalties) on training and stop rows
    at the kept epoch, in evaluation mode and on clean data, with a 95 % interval. The second tests the stop loss for a
    trend. The third compares the loss with that of a constant prediction (class frequencies, or the mean).

    >>> from goodfit import Training, fit, load
    >>> diagnose(fit("mlp:4", load("iris").split(), "", Training(epochs=2))).label
    'underfit'
    """
    if not len(run.history):
        finding = Finding("trend", "short", "No epoch was finished", "the History is empty", "Train again.")
        return _verdict("cannot tell", (finding,))
    evidence = Evidence.of(run)
    findings = tuple(check(evidence) for check in CHECKS)
    return _verdict(decide(evidence, {f.check: f.result for f in findings}), findings)


def decide(evidence: Evidence, results: dict[str, str]) -> str:
    """Return the label for the results of the checks ("gap", "trend", "baseline").

    A large gap is overfitting, whatever the other checks say. So is a stop loss that has risen by the kept epoch.
    Without a gap, the run underfits if the network is no better than a constant prediction, or if the stop loss is
    still falling while it is above a tenth of the loss of a constant prediction.
    """
    risen = results["trend"] == "rising" and evidence.kept == len(evidence.history)
    if results["gap"] == "large" or results["baseline"] == "memorized" or risen:
        return "overfit"
    nearly_solved = evidence.loss("stop").value < MIN_SKILL * evidence.baseline
    if results["baseline"] == "not learned" or (results["trend"] == "falling" and not nearly_solved):
        return "underfit"
    if results["gap"] == "small" and results["baseline"] == "learned" and results["trend"] not in ("short", "unclear"):
        return "good fit"
    return "cannot tell"


SUPPORTS = {
    "overfit": ("large", "memorized", "rising"),
    "underfit": ("not learned", "falling", "small"),
    "good fit": ("small", "learned", "flat"),
    "cannot tell": ("unclear", "short"),
}
"""Verdict → the results of checks that support it."""
AGAINST = {
    "overfit": ("small", "not learned", "falling"),
    "underfit": ("large", "memorized", "rising", "learned"),
    "good fit": ("large", "memorized", "not learned", "rising", "falling"),
    "cannot tell": (),
}
"""Verdict → the results of checks that speak against it; all other results are neutral."""


def weight(result: str, label: str) -> str:
    """Return whether the result of a check "supports" a verdict, speaks "against" it or is "neutral".

    >>> weight("large", "overfit"), weight("small", "overfit"), weight("learned", "overfit")
    ('supports', 'against', 'neutral')
    """
    if result in SUPPORTS[label]:
        return "supports"
    return "against" if result in AGAINST[label] else "neutral"


def _verdict(label: str, findings: tuple[Finding, ...]) -> Verdict:
    return Verdict(label, HEADLINES[label], findings, NEXT[label])
