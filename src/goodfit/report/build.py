"""From a run or a study to the page of its report."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math

import torch

import goodfit
from goodfit.data import Split, metric
from goodfit.diagnosis import Verdict, diagnose
from goodfit.errors import MissingExtra
from goodfit.explanation import COLUMNS
from goodfit.recipe import Recipe
from goodfit.report import page as p
from goodfit.report.sample_gallery import sample_galleries
from goodfit.stages import OnSample
from goodfit.study import RankedRecipe, Study
from goodfit.study.candidates import PLAIN
from goodfit.study.statistics import Estimate
from goodfit.surgery import weight_refs
from goodfit.train.batched import acting
from goodfit.train.rng import generator
from goodfit.train.run import Run
from goodfit.train.stages.growing import grown
from goodfit.train.stages.on_sample import epoch_rows

BINS = 60
WEIGHS = {
    "overfit": {"material", "memorised", "rising"},
    "underfit": {"nothing", "falling"},
    "good fit": {"absent", "learned", "flat"},
    "cannot tell": {"unclear", "short"},
}
INTERVAL = "95 % interval, Nadeau and Bengio's correction for overlapping training parts"


def study_page(study: Study, reproduce: tuple[tuple[str, str], ...] = ()) -> p.Page:
    """The report of a study."""
    best = study.best()
    if best is None:
        raise goodfit.InputError(
            f"report: no run of the study of '{study.name}' was finished; there is nothing to show."
        )
    labels = [r.candidate.label for r in study.ranking() if r.score.n]
    shown = study.run_of(best.candidate.label)
    plain = study.verdict()
    return p.Page(
        title=f"{study.name}: which regularization helps",
        subtitle=headline(study),
        facts=_study_facts(study),
        verdict=box(plain, "the plain network") if plain else box(diagnose(shown), best.candidate.label),
        metric=study.metric,
        higher_is_better=study.higher_is_better,
        interval=INTERVAL,
        ranking=tuple(_row(r, len(study.seeds)) for r in study.ranking() if r.score.n),
        curves=tuple(
            curve(o.run, label, o.seed) for label in labels for o in study.trials_of(label) if o.run and o.run.epochs
        ),
        weights=tuple(weights(study.run_of(label), label) for label in labels),
        actions=_actions(shown),
        action_columns=COLUMNS,
        test=tuple(_test(study)),
        reproduce=(
            *reproduce,
            ("The best recipe", _yaml(best.candidate.recipe)),
        ),
        notes=(*_study_notes(study), *study.notes),
        created=_now(),
        version=goodfit.__version__,
    )


def run_page(run: Run, reproduce: tuple[tuple[str, str], ...] = ()) -> p.Page:
    """The report of a single run."""
    label = str(run.recipe)
    facts = {
        "Data": str(run.facts.get("data", run.spec.name)), "Target": run.spec.target, "Network": run.network or "own",
        "Parameters": f"{run.facts.get('parameters', 0):,}", "Recipe": label, "Seed": str(run.seed),
        "Epochs": f"{run.epochs}, epoch {run.kept_epoch} kept", "Loss": run.loss,
    }  # fmt: skip
    return p.Page(
        title=f"{run.spec.name}: {label}",
        subtitle=f"One run, {run.epochs} epochs" + (f"; stopped: {run.stopped}" if run.stopped else ""),
        facts=tuple(facts.items()),
        verdict=box(diagnose(run), "this run"),
        metric=run.metric,
        higher_is_better=metric(run.metric).higher_is_better,
        interval="",
        ranking=(),
        curves=(curve(run, label, run.seed),) if run.epochs else (),
        weights=(weights(run, label),),
        actions=_actions(run),
        action_columns=COLUMNS,
        test=(),
        reproduce=(
            *reproduce,
            ("The recipe", _yaml(run.recipe)),
        ),
        notes=(
            *run.facts.get("warnings", ()),
            "One run says nothing of chance: `goodfit study` compares recipes over several seeds.",
        ),
        created=_now(),
        version=goodfit.__version__,
    )


def with_galleries(page: p.Page, of: Run | Study, data: Split | None) -> p.Page:
    """The page with samples and their variants, and with rows per class, where a recipe augments or balances such data.

    It is the run's recipe, or the best one of a study that does so.
    """
    if data is None:
        return page
    ranked = [r.candidate.recipe for r in of.ranking() if r.score.n] if isinstance(of, Study) else [of.recipe]
    balancing = [recipe for recipe in ranked if recipe.at(OnSample)]
    if balancing and data.spec.classes:
        page = dataclasses.replace(page, facts=(*page.facts, _counts(balancing[0], data)))
    augmenting = [recipe for recipe in ranked if acting(recipe, data.spec.inputs.data_kind)]
    try:
        found = sample_galleries(data, augmenting[0], count=12, samples=3) if augmenting else ()
    except MissingExtra as error:
        return dataclasses.replace(page, notes=(*page.notes, f"No samples are shown: {error}."))
    return dataclasses.replace(page, galleries=found)


def _counts(recipe: Recipe, data: Split) -> tuple[str, str]:
    """How many training rows each class has, and how many an epoch draws."""
    y, grew = data.train.y.cpu(), grown(data.train, recipe, data.spec.inputs, 0).y.cpu()
    drawn = epoch_rows(recipe.at(OnSample), grew, generator(0, 1, "order"))
    before, after = (torch.bincount(some, minlength=len(data.spec.classes)).tolist() for some in (y, grew[drawn]))
    told = (f"{name} {b:,} → {a:,}" for name, b, a in zip(data.spec.classes, before, after, strict=True))
    return "Rows per class, as they are → in an epoch", ", ".join(told)


def headline(study: Study) -> str:
    """The answer in one sentence."""
    best = study.best()
    if best is None:
        return "no run was finished"
    if best.difference is None:
        return f"No recipe beats the plain network ({study.metric} {best.score.mean:.4f})."
    d = best.difference
    if not d.n:
        return f"{best.candidate.label} did best ({study.metric} {best.score.mean:.4f}); no run of plain was finished."
    if d.n == 1:
        gain = f"{d.mean:+.4f} {study.metric} over plain"
        return f"{best.candidate.label} did best: {gain}, with one seed: that says nothing of chance; add seeds."
    change = f"{d.mean:+.4f} {study.metric} over plain [{d.low:+.4f}, {d.high:+.4f}], {d.n} seeds"
    sure = (
        "The interval excludes zero." if d.significant else "The interval includes zero: it may be chance; add seeds."
    )
    return f"{best.candidate.label} did best: {change}. {sure}"


def box(verdict: Verdict, subject: str) -> p.VerdictBox:
    """The verdict with each finding marked by whether it speaks for it."""
    findings = tuple(
        p.Finding(f.title, f.evidence, f.next_step, _weight(f.says, verdict.label)) for f in verdict.findings
    )
    return p.VerdictBox(verdict.label, verdict.headline, subject, findings, verdict.next_steps)


def _weight(says: str, label: str) -> str:
    if says in WEIGHS[label]:
        return "supports"
    return "neutral" if says in WEIGHS["cannot tell"] else "against"


def curve(run: Run, label: str, seed: int) -> p.Curve:
    """The learning curves of a run."""
    h, name = run.history, run.metric
    return p.Curve(
        label, seed, name, tuple(int(e) for e in h["epoch"]), tuple(h[f"train_{name}"]), tuple(h[f"stop_{name}"]),
        tuple(h["train_loss"]), tuple(h["stop_loss"]), run.best_epoch, run.kept_epoch,
    )  # fmt: skip


def weights(run: Run, label: str) -> p.Weights:
    """Histograms of the kept kernels."""
    kernels = [s for s in weight_refs(run.model) if s.kind == "kernel"]
    return p.Weights(label, tuple(_histogram(s.name, s.tensor.detach().cpu().double()) for s in kernels))


def _histogram(name: str, tensor: torch.Tensor) -> p.TensorWeights:
    flat = tensor.flatten()
    flat = flat[torch.isfinite(flat)]
    edge = float(flat.abs().max()) if len(flat) and bool(flat.abs().max() > 0) else 1.0
    counts, edges = torch.histogram(flat, BINS, range=(-edge, edge))
    zeros = int((flat == 0).sum())
    return p.TensorWeights(
        name, tuple(tensor.shape), tuple(edges.tolist()), tuple(int(c) for c in counts), zeros, len(flat)
    )


def _row(r: RankedRecipe, seeds: int) -> p.Row:
    d = r.difference
    failed = f"{r.failures} of {seeds} runs failed" if r.failures else ""
    won = f"better than plain in {r.wins} of {d.n} seeds" if d else ""
    return p.Row(
        r.candidate.label, r.candidate.recipe.text(), r.score.mean, r.score.low, r.score.high, d.mean if d else None,
        d.low if d else None, d.high if d else None, r.score.n, r.verdict, "; ".join(filter(None, (won, failed))),
        r.seconds, r.gap if math.isfinite(r.gap) else None,
    )  # fmt: skip


def _study_facts(study: Study) -> tuple[tuple[str, str], ...]:
    run, training = study.run_of(study.best().candidate.label), study.training  # type: ignore[union-attr]
    kind = f"{len(study.spec.classes)} classes" if study.spec.classes else "a number"
    return (
        ("Data", study.name),
        ("Target", f"{study.spec.target} ({kind})"),
        ("Rows", ", ".join(f"{name} {n:,}" for name, n in study.rows.items())),
        ("Network", f"{study.network}, {run.facts.get('parameters', 0):,} parameters"),
        ("Training", f"{training.optimizer}, learning rate {training.learning_rate:g}, batch {training.batch_size}, "
                     f"up to {training.epochs} epochs"),
        ("Seeds", str(len(study.seeds))),
        ("Runs", f"{len(study.trials)}, {sum(o.seconds for o in study.trials):.0f} s"),
    )  # fmt: skip


def _test(study: Study) -> list[tuple[str, str]]:
    return [(label, interval_text(estimate)) for label, estimate in study.test.items()]


def interval_text(e: Estimate, digits: int = 4) -> str:
    """A mean and its interval.

    >>> interval_text(Estimate(0.5, 0.4, 0.6, 3))
    '0.5000 [0.4000, 0.6000]'
    """
    if e.n < 2:
        return f"{e.mean:.{digits}f} (one seed: no interval)"
    return f"{e.mean:.{digits}f} [{e.low:.{digits}f}, {e.high:.{digits}f}]"


def _study_notes(study: Study) -> list[str]:
    others = len({o.candidate.label for o in study.trials}) - 1
    notes = [
        "Scores are measured on the validation part, which neither training nor early stopping has seen; differences "
        "are paired by seed (same rows, same starting weights, same batches).",
        f"With {others} recipes compared, about one in twenty intervals excludes zero by chance, and the best of "
        "many looks better than it is: the test part tells.",
    ]
    if len(study.seeds) < 6:
        notes.append(
            f"{len(study.seeds)} seeds give wide intervals: under six pairs can never be significant in a sign-flip "
            "test. Add --seeds 6 or more before you rely on a small difference."
        )
    if study.metric in ("rmse", "mae"):
        notes.append(f"{study.metric} is in units of the target's standard deviation over the training rows.")
    if PLAIN in study.test:
        notes.append(
            "The test part was opened once, after the choice was made, for the plain network and the best recipe."
        )
    return notes


def _actions(run: Run) -> tuple[tuple[str, ...], ...]:
    if not len(run.recipe):
        return ()
    rows = tuple(tuple(row) for row in run.facts.get("acts", ()))
    whole = tuple((t.split(" (")[0], "the run as a whole", "", t, "") for t in run.facts.get("acts_on_the_whole", ()))
    return (*rows, *whole)


def _yaml(recipe: Recipe) -> str:
    return recipe.to_yaml() if len(recipe) else "# the plain network: no technique\n"


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
