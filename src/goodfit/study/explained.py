"""What explains the recommended recipe: what each of its techniques contributes, and how other strengths do."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean
from typing import Any

from goodfit.study.candidates import PLAIN
from goodfit.study.fits import Fit
from goodfit.study.result import Study
from goodfit.study.search.variants import sweep, without_each


def ablation(study: Study) -> list[dict[str, Any]]:
    """How much better the recommended recipe is than without each of its techniques, on the folds of one repeat.

    Empty if it has fewer than two techniques or the fits are missing. A positive `contribution` is an improvement by
    the technique; its interval is that of the paired difference.
    """
    best = study.evidence().recommended
    rows = []
    for variant in without_each(best.candidate) if best else []:
        without = {fit.key: fit for fit in study.alike(variant, (*study.ablations, *study.fits))}
        own = [fit for fit in study.fits_of(best.candidate.label) if fit.key in without] if best else []
        if not own:
            continue
        estimate = study.difference_of(own, [without[fit.key] for fit in own])
        sign = 1 if study.higher_is_better else -1
        low, high = sorted((sign * estimate.low, sign * estimate.high))
        name = variant.label.partition(":")[0].removeprefix("without ")
        rows.append({"technique": name, "contribution": sign * estimate.mean, "low": low, "high": high,
                     "fits": estimate.n})  # fmt: skip
    return rows


def sweeps(study: Study) -> dict[str, list[dict[str, Any]]]:
    """For each strength of the recommended recipe, scores at other strengths, weakest first.

    `gap` is the train metric minus the stop metric: it is large where the network overfits, and small where a strength
    is so large that it underfits.
    """
    best = study.evidence().recommended
    result: dict[str, list[dict[str, Any]]] = {}
    for name, variants in (sweep(best.candidate) if best else {}).items():
        rows = [_sweep_row(value, study, study.alike(variant, study.screening)) for value, variant in variants]
        result[name] = [row for row in rows if row]
    return {name: rows for name, rows in result.items() if rows}


def _sweep_row(value: float, study: Study, fits: Iterable[Fit]) -> dict[str, Any]:
    plain = {fit.key: study.value(fit) for fit in study.screening if fit.label == PLAIN}
    own = [fit for fit in fits if not fit.failure and fit.key in plain]
    if not own:
        return {}
    sign = 1 if study.higher_is_better else -1
    return {
        "strength": value, "gain": sign * fmean(study.value(fit) - plain[fit.key] for fit in own),
        "gap": fmean(fit.gap for fit in own), "fits": len(own),
    }  # fmt: skip
