"""What a report says about a study in words: headline, facts, notes."""

from __future__ import annotations

from goodfit.study import Study
from goodfit.study.candidates import PLAIN
from goodfit.study.statistics import BETTER, INCONCLUSIVE, WORSE, Estimate
from goodfit.train.run import Run

EVIDENCE = {
    BETTER: "Significantly better: the interval excludes 0.",
    WORSE: "Significantly worse in the seeds in which both were finished: the interval excludes 0.",
    INCONCLUSIVE: "Not significant: the interval includes 0. Use more seeds.",
}


def headline(study: Study) -> str:
    """Return the result of a study in one or two sentences."""
    best = study.best()
    if best is None:
        return "No run was finished."
    if best.difference is None:
        return f"No recipe is better than the plain network ({study.metric} {best.score.mean:.4f})."
    d = best.difference
    if not d.n:
        missing = "seed of both" if any(trial.run for trial in study.trials_of(PLAIN)) else "plain run"
        return f"Best recipe: {best.candidate.label} ({study.metric} {best.score.mean:.4f}). No {missing} was finished."
    gain = f"Best recipe: {best.candidate.label}, {d.mean:+.4f} {study.metric} vs. plain"
    if d.n == 1:
        return f"{gain}. One seed gives no interval; use more seeds."
    evidence = EVIDENCE[study.significance(best)]
    return f"{gain}, 95 % interval [{d.low:+.4f}, {d.high:+.4f}], {d.n} seeds. {evidence}"


def interval_text(estimate: Estimate, digits: int = 4) -> str:
    """Return a mean and its interval as text.

    >>> interval_text(Estimate(0.5, 0.4, 0.6, 3))
    '0.5000 [0.4000, 0.6000]'
    """
    if estimate.n < 2:
        return f"{estimate.mean:.{digits}f} (one seed: no interval)"
    return f"{estimate.mean:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def study_facts(study: Study, best: Run) -> tuple[tuple[str, str], ...]:
    """Return captions and values: data, network (parameters of the best run), training, and size of a study."""
    training = study.training
    target = f"{len(study.spec.classes)} classes" if study.spec.classes else "a number"
    return (
        ("Data", study.name),
        ("Target", f"{study.spec.target} ({target})"),
        ("Rows", ", ".join(f"{name} {n:,}" for name, n in study.rows.items())),
        ("Network", f"{study.network}, {best.metadata.get('parameters', 0):,} parameters"),
        ("Training", f"{training.optimizer}, learning rate {training.learning_rate:g}, batch size "
                     f"{training.batch_size}, up to {training.epochs} epochs"),
        ("Seeds", str(len(study.seeds))),
        ("Runs", f"{len(study.trials)} in {sum(trial.seconds for trial in study.trials):.0f} s"),
    )  # fmt: skip


def study_notes(study: Study) -> list[str]:
    """Return what a reader must know to interpret the numbers of a study."""
    recipes = len({trial.candidate.label for trial in study.trials} - {PLAIN})
    notes = [
        "Scores are measured on the validation part, which neither training nor early stopping uses. Differences are "
        "paired by seed: same rows, same starting weights, same batches.",
    ]
    if recipes:
        notes.append(
            f"With {recipes} recipe{'s' if recipes > 1 else ''} compared, about one interval in twenty excludes 0 by "
            "chance, and the validation score of the best recipe is optimistically biased by selection. Rely on its "
            "test score."
        )
    if len(study.seeds) == 1:
        notes.append("1 seed gives no interval. Use --seeds 6 or more before you rely on a small difference.")
    elif len(study.seeds) < 6:
        notes.append(
            f"{len(study.seeds)} seeds give wide intervals: with fewer than six pairs, no sign-flip test is "
            "significant at the 5 % level. Use --seeds 6 or more before you rely on a small difference."
        )
    if study.metric in ("rmse", "mae"):
        notes.append(f"{study.metric} is in standard deviations of the target over the training rows.")
    if PLAIN in study.test:
        notes.append("The test part was used once, after the best recipe was chosen.")
    return notes
