"""What a report says about a study in words: headline, facts, notes."""

from __future__ import annotations

from goodfit.report.page import MetricEntry
from goodfit.study import Fit, Study
from goodfit.study.candidates import PLAIN
from goodfit.study.scores import CALIBRATED, REPORTED, base_metric
from goodfit.study.sentence import count, sentence
from goodfit.study.statistics import BETTER, WORSE, Estimate, significance


def headline(study: Study) -> str:
    """Return the answer of a study in a few sentences."""
    return sentence(study, study.evidence())


def interval_text(estimate: Estimate, digits: int = 4, sign: bool = False) -> str:
    """Return a mean and its interval as text; `sign`: also of positive numbers.

    >>> interval_text(Estimate(0.5, 0.4, 0.6, 3)), interval_text(Estimate(0.5, 0.4, 0.6, 3), 1, sign=True)
    ('0.5000 [0.4000, 0.6000]', '+0.5 [+0.4, +0.6]')
    """
    if not estimate.n:
        return "not defined"
    mean, low, high = (
        f"{round(value, digits) + 0.0:{'+' * sign}.{digits}f}" for value in (estimate.mean, estimate.low, estimate.high)
    )
    return f"{mean} [{low}, {high}]" if estimate.known else f"{mean} (no interval)"


def test_entries(study: Study) -> tuple[tuple[str, str], ...]:
    """Return captions and test scores of the plain network and the best recipe, and their difference."""
    scores = study.test_scores()
    entries = [(label, interval_text(estimate)) for label, estimate in scores.items()]
    if PLAIN in scores and len(scores) > 1:
        best = next(label for label in scores if label != PLAIN)
        difference = study.difference(best, part="test")
        entries.append((f"difference from plain{contradiction(study, best)}", interval_text(difference, sign=True)))
    return tuple(entries)


def contradiction(study: Study, best: str) -> str:
    """Return a short text if the test rows show that the other one of a recipe and the plain network is better.

    They show it if the interval of the difference excludes 0.
    """
    test = study.difference(best, part="test")
    wrong = WORSE if study.recommended().label == best else BETTER
    shown = significance(test.low, test.high, study.higher_is_better)
    return " (contradicts the choice)" if shown == wrong else ""


METRIC_NAMES = {CALIBRATED: "log_loss after temperature scaling"}


def metric_entries(study: Study, best: str) -> tuple[MetricEntry, ...]:
    """Return all metrics of the task for the plain network and the best recipe."""
    entries = []
    for name in REPORTED[study.spec.task]:
        plain = study.estimate(PLAIN, name)
        if not plain.n:
            continue
        better = "higher is better" if base_metric(name).higher_is_better else "lower is better"
        texts = [interval_text(plain)]
        if best != PLAIN:
            texts += [interval_text(study.estimate(best, name)), interval_text(study.difference(best, name), sign=True)]
        entries.append(MetricEntry(METRIC_NAMES.get(name, name), better, *texts))
    return tuple(entries)


def study_facts(study: Study, best: Fit) -> tuple[tuple[str, str], ...]:
    """Return captions and values: data, network (parameters of the best fit), training, and size of a study."""
    training = study.training
    target = f"{len(study.spec.classes)} classes" if study.spec.classes else "a number"
    fits = (*study.fits, *study.screening, *study.ablations)
    seconds = sum(fit.seconds for fit in fits if not fit.failure)
    screened = f" ({len(fits) - len(study.fits)} of them for the search)" if len(fits) > len(study.fits) else ""
    return (
        ("Data", study.name),
        ("Target", f"{study.spec.target} ({target})"),
        ("Rows", ", ".join(f"{name} {n:,}" for name, n in study.rows.items())),
        ("Protocol", study.definition.design),
        ("Network", f"{study.network}, {best.metadata.get('parameters', 0):,} parameters"),
        ("Training", f"{training.optimizer}, learning rate {training.learning_rate:g}, batch size "
                     f"{training.batch_size}, up to {training.epochs} epochs"),
        ("Fits", f"{len(fits)}{screened} in {seconds:.0f} s of training"),
    )  # fmt: skip


def study_notes(study: Study) -> list[str]:
    """Return what a reader must know to interpret the numbers of a study."""
    recipes = len(study.labels) - 1
    notes = [
        "Scores are measured on validation rows, which neither training nor early stopping uses. Differences are "
        "paired: same rows, same initial weights, same batches. Intervals are for the mean of the trained networks on "
        "new rows.",
    ]
    if recipes:
        notes.append(
            f"Each interval in the table and the figure is that of one recipe alone: with {count(recipes, 'recipe')} "
            "compared, about one in twenty excludes 0 by chance. The answer at the top is corrected for their number."
        )
    if study.test_scores():
        notes.append("The test rows were scored once, after the best recipe was chosen.")
    return notes
