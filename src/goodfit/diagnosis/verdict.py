"""The verdict: underfit, good fit, overfit or cannot tell, from the checks' findings."""

from __future__ import annotations

from dataclasses import dataclass

from goodfit.diagnosis import baseline, gap, trend
from goodfit.diagnosis.baseline import LITTLE
from goodfit.diagnosis.evidence import Diagnosable, Evidence, Finding

CHECKS = (gap.check, trend.check, baseline.check)

NEXT = {
    "overfit": (
        "Regularize: a study tells which technique helps on this data, by how much and how sure.",
        "Get more training rows, or augment those you have.",
        "Use a smaller or a differently built network.",
    ),
    "underfit": (
        "Train longer, or with a higher learning rate or a schedule.",
        "Use more units or layers, or another architecture; find better features.",
        "Take regularization away.",
    ),
    "good fit": (
        "Keep it. To gain more, try a larger network together with more regularization.",
        "Confirm it on the test part once, at the end.",
    ),
    "cannot tell": (
        "Give the stop part more rows, or repeat over several seeds.",
        "Train for more epochs, so that the curves show a trend.",
    ),
}

HEADLINES = {
    "overfit": "The network has learned its training rows better than it predicts others.",
    "underfit": "The network has not yet learned what there is to learn.",
    "good fit": "The network predicts other rows about as well as those it was trained on.",
    "cannot tell": "The evidence is not enough to tell.",
}


@dataclass(frozen=True)
class Verdict:
    """One of four labels, why, and what to do next."""

    label: str
    headline: str
    findings: tuple[Finding, ...]
    next_steps: tuple[str, ...]

    def __str__(self) -> str:
        lines = [f"{self.label}: {self.headline}"]
        lines += [f"  - {f.title} ({f.evidence})" for f in self.findings]
        return "\n".join([*lines, "next:", *(f"  - {step}" for step in self.next_steps)])


def diagnose(run: Diagnosable) -> Verdict:
    """Whether a run underfits, fits well or overfits, with evidence and the next steps.

    It compares data losses (never penalties) at the kept epoch on training and stop rows, both in evaluation mode on
    clean
    data, with a 95 % interval; looks at where the stop curve goes; and at a trivial baseline (class frequencies, or
    the mean).

    >>> from goodfit import Training, fit, load
    >>> diagnose(fit("mlp:4", load("iris").split(), "", Training(epochs=2))).label
    'underfit'
    """
    if not len(run.history):
        nothing = Finding("trend", "short", "No epoch was finished", "the History is empty", "Train again.")
        return _verdict("cannot tell", (nothing,))
    evidence = Evidence.of(run)
    findings = tuple(check(evidence) for check in CHECKS)
    return _verdict(decide(evidence, {f.check: f.says for f in findings}), findings)


def decide(evidence: Evidence, says: dict[str, str]) -> str:
    """The label for what the checks say.

    A material gap is overfitting, whatever else is true; so is a stop loss that has risen by the epoch that is kept.
    Without a
    gap, a stop curve that still falls (with more than a tenth of the trivial loss left), or no skill beyond a
    constant, is underfitting.
    """
    risen = says["trend"] == "rising" and evidence.kept == len(evidence.history)
    if says["gap"] == "material" or says["baseline"] == "memorised" or risen:
        return "overfit"
    little_left = evidence.loss("stop").value < LITTLE * evidence.baseline
    if says["baseline"] == "nothing" or (says["trend"] == "falling" and not little_left):
        return "underfit"
    if says["gap"] == "absent" and says["baseline"] == "learned" and says["trend"] not in ("short", "unclear"):
        return "good fit"
    return "cannot tell"


def _verdict(label: str, findings: tuple[Finding, ...]) -> Verdict:
    return Verdict(label, HEADLINES[label], findings, NEXT[label])
