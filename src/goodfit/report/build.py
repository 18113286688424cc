"""Build the page of a report from a run or a study."""

from __future__ import annotations

import dataclasses
import datetime as dt
import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from goodfit._version import __version__
from goodfit.augmentation.preview import previewed
from goodfit.data import Split, metric
from goodfit.diagnosis import Verdict, diagnose, weight
from goodfit.errors import InputError, MissingExtra
from goodfit.explanation import COLUMNS
from goodfit.recipe import Recipe
from goodfit.report import page as p
from goodfit.report.sample_gallery import sample_galleries
from goodfit.report.summary import headline, metric_entries, study_facts, study_notes, test_entries
from goodfit.rng import generator
from goodfit.stages import OnSample
from goodfit.study import Fit, RankedRecipe, Study
from goodfit.study.save import recipe_yaml
from goodfit.surgery import weight_refs
from goodfit.train.run import Run
from goodfit.train.stages.on_sample import add_synthetic_rows, epoch_rows

INTERVAL = "95 % interval over rows (jackknife)"

Pairs = tuple[tuple[str, str], ...]


def study_page(study: Study, reproduce: Pairs = ()) -> p.Page:
    """Return the page of a study.

    Raises:
        InputError: no run of the study was finished.
    """
    if study.best() is None:
        raise InputError(f"report: no run of the study of '{study.name}' was finished; there is nothing to show.")
    ranking = [ranked for ranked in study.ranking() if ranked.score.n]
    labels = [ranked.candidate.label for ranked in ranking]
    runs, missing = _runs(study, labels)
    evidence = study.evidence()
    best = study.recommended() if _finished(study, study.recommended().label) else ranking[0].candidate
    shown = evidence.best.candidate.label if evidence.best else best.label
    verdict = study.verdict() or diagnose(_finished(study, best.label)[0])
    subject = "the plain network" if study.verdict() else best.label
    best_fit = _finished(study, best.label)[0]
    return p.Page(
        title=f"{study.name}: which regularization helps", subtitle=headline(study), facts=study_facts(study, best_fit),
        verdict=verdict_box(verdict, subject), metric=study.metric, higher_is_better=study.higher_is_better,
        interval=INTERVAL, ranking=tuple(_row(r, len(study.fits_of(r.candidate.label))) for r in ranking),
        curves=tuple(
            curve(fit, label, fit.seed) for label in labels for fit in _finished(study, label)
        ),
        weights=tuple(weights(run, label) for label, run in runs.items()),
        actions=_actions(best_fit.candidate.recipe, best_fit.metadata), action_columns=COLUMNS,
        test=test_entries(study), reproduce=(*reproduce, ("The recommended recipe", recipe_yaml(study))),
        notes=(*study_notes(study), *missing, *study.notes), created=_now(), version=__version__,
        metrics=metric_entries(study, shown),
        metrics_of="Recommended recipe" if shown == study.recommended().label else "Best recipe, not recommended",
    )  # fmt: skip


def _finished(study: Study, label: str) -> list[Fit]:
    return [fit for fit in study.fits_of(label) if not fit.failure and len(fit.history)]


def _runs(study: Study, labels: Sequence[str]) -> tuple[dict[str, Run], list[str]]:
    """The runs whose networks are kept, and a note about the others."""
    runs, reasons = {}, []
    for label in labels:
        try:
            runs[label] = study.run_of(label)
        except InputError as error:
            reasons.append(str(error))
    return runs, [f"Weights are not shown for {len(reasons)} recipes: {reasons[0]}"] if reasons else []


def run_page(run: Run, reproduce: Pairs = ()) -> p.Page:
    """Return the page of a single run."""
    label = str(run.recipe)
    facts = {
        "Data": str(run.metadata.get("data", run.spec.name)), "Target": run.spec.target,
        "Network": run.network or "custom", "Parameters": f"{run.metadata.get('parameters', 0):,}", "Recipe": label,
        "Seed": str(run.seed), "Epochs": f"{run.epochs}, epoch {run.kept_epoch} kept", "Loss": run.loss,
    }  # fmt: skip
    notes = (
        "One run does not show how much depends on chance: `goodfit study` compares recipes over folds and repeats.",
    )
    return p.Page(
        title=f"{run.spec.name}: {label}",
        subtitle=f"One run, {run.epochs} epochs" + (f"; stopped: {run.stopped}" if run.stopped else ""),
        facts=tuple(facts.items()), verdict=verdict_box(diagnose(run), "this run"), metric=run.metric,
        higher_is_better=metric(run.metric).higher_is_better, interval="", ranking=(),
        curves=(curve(run, label, run.seed),) if run.epochs else (), weights=(weights(run, label),),
        actions=_actions(run.recipe, run.metadata), action_columns=COLUMNS, test=(),
        reproduce=(*reproduce, ("The recipe", _yaml(run.recipe))),
        notes=(*run.metadata.get("warnings", ()), *notes), created=_now(), version=__version__,
    )  # fmt: skip


def with_galleries(page: p.Page, result: Run | Study, data: Split | None) -> p.Page:
    """Add augmented samples and the rows per class to a page, if a recipe augments or rebalances this data.

    The recipe is that of the run, or the best recipe of the study that does so.
    """
    if data is None:
        return page
    if isinstance(result, Study):
        recipes = [ranked.candidate.recipe for ranked in result.ranking() if ranked.score.n]
    else:
        recipes = [result.recipe]
    rebalancing = [recipe for recipe in recipes if recipe.at(OnSample)]
    if rebalancing and data.spec.classes:
        page = dataclasses.replace(page, facts=(*page.facts, _class_counts(rebalancing[0], data)))
    augmenting = [recipe for recipe in recipes if previewed(recipe, data.spec.inputs.data_kind)]
    try:
        galleries = sample_galleries(data, augmenting[0], count=12, samples=3) if augmenting else ()
    except MissingExtra as error:
        return dataclasses.replace(page, notes=(*page.notes, f"Augmented samples are not shown: {error}."))
    return dataclasses.replace(page, galleries=galleries)


def _class_counts(recipe: Recipe, data: Split) -> tuple[str, str]:
    """Return caption and text: the training rows of each class in the data, and in an epoch."""
    y, extended = data.train.y.cpu(), add_synthetic_rows(data.train, recipe, data.spec.inputs, 0).y.cpu()
    drawn = epoch_rows(recipe.at(OnSample), extended, generator(0, 1, "order"))
    classes = data.spec.classes
    before, after = (torch.bincount(labels, minlength=len(classes)).tolist() for labels in (y, extended[drawn]))
    counts = (f"{name} {b:,} → {a:,}" for name, b, a in zip(classes, before, after, strict=True))
    return "Rows per class: in the data → in an epoch", ", ".join(counts)


def verdict_box(verdict: Verdict, subject: str) -> p.VerdictBox:
    """Return the verdict on `subject`, with findings that are marked as supporting, neutral or against."""
    findings = tuple(
        p.FindingEntry(f.title, f.evidence, f.next_step, weight(f.result, verdict.label)) for f in verdict.findings
    )
    return p.VerdictBox(verdict.label, verdict.headline, subject, findings, verdict.next_steps)


def curve(run: Run | Fit, label: str, seed: int) -> p.Curve:
    """Return the learning curves of a run."""
    h, name = run.history, run.metric
    return p.Curve(
        label, seed, name, tuple(int(e) for e in h["epoch"]), tuple(h[f"train_{name}"]), tuple(h[f"stop_{name}"]),
        tuple(h["train_loss"]), tuple(h["stop_loss"]), run.best_epoch, run.kept_epoch,
    )  # fmt: skip


def weights(run: Run, label: str) -> p.NetworkWeights:
    """Return a histogram of the non-zero weights for each kernel of the kept weights."""
    kernels = [ref for ref in weight_refs(run.model) if ref.kind == "kernel"]
    return p.NetworkWeights(label, tuple(_histogram(ref.name, ref.tensor.detach().cpu().double()) for ref in kernels))


def _histogram(name: str, tensor: torch.Tensor) -> p.TensorWeights:
    flat = tensor.flatten()
    flat = flat[torch.isfinite(flat)]
    edge = float(flat.abs().max()) if len(flat) and bool(flat.abs().max() > 0) else 1.0
    nonzero = flat[flat != 0]
    counts, edges = torch.histogram(nonzero, p.BINS, range=(-edge, edge))
    zeros = len(flat) - len(nonzero)
    return p.TensorWeights(
        name, tuple(tensor.shape), tuple(edges.tolist()), tuple(int(c) for c in counts), zeros, len(flat)
    )


def _row(ranked: RankedRecipe, fits: int) -> p.Row:
    r, d = ranked, ranked.difference
    failed = f"{r.failures} of {fits} fits failed" if r.failures else ""
    wins = f"better than plain in {r.wins} of {d.n} fits" if d and d.n else ""
    if d and d.mean == d.low == d.high == 0:
        wins = "changed nothing: every row is scored as by plain"
    return p.Row(
        r.candidate.label, r.candidate.recipe.text(), r.score.mean, r.score.low, r.score.high, d.mean if d else None,
        d.low if d else None, d.high if d else None, r.score.n, r.verdict, "; ".join(filter(None, (wins, failed))),
        r.seconds, r.gap if math.isfinite(r.gap) else None,
    )  # fmt: skip


def _actions(recipe: Recipe, metadata: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
    """Return the table of which technique acts on which tensor; techniques that act on the whole run come last."""
    if not len(recipe):
        return ()
    rows = tuple(tuple(row) for row in metadata.get("acts", ()))
    texts = metadata.get("acts_on_whole_run", ())
    return (*rows, *((text.split(" (")[0], "the whole run", "", text, "") for text in texts))


def _yaml(recipe: Recipe) -> str:
    if any(technique.not_storable for technique in recipe):
        return f"# not a recipe file, because it contains a function: {recipe.text()}\n"
    return recipe.to_yaml() if len(recipe) else "# the plain network: no technique\n"


def _now() -> str:
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
