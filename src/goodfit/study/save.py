"""The results of a study as files, and a study read from its files. The results are a function of the files of fits."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from torch import nn

from goodfit._version import __version__
from goodfit.errors import InputError, NetworkNeeded
from goodfit.recipe import FORMAT as RECIPE_FORMAT
from goodfit.serialization import write_bytes, write_json
from goodfit.store import save_run
from goodfit.study.candidates import PLAIN
from goodfit.study.definition import FORMAT
from goodfit.study.evidence import NOT_SHOWN, Comparison, Evidence
from goodfit.study.explained import ablation, sweeps
from goodfit.study.files import StudyFolder
from goodfit.study.result import RankedRecipe, Study
from goodfit.study.scores import CALIBRATED
from goodfit.study.sentence import sentence
from goodfit.study.stages import COMPARE

BEST_FOLDER, PLAIN_FOLDER = "best", "plain"
"""Folders of the best and the plain run within that of a study."""


def load_study(folder: str | Path, model: nn.Module | None = None) -> Study:
    """Read a study from its folder; nothing is trained. It may still be running.

    Args:
        folder: the folder that `run_study` or `goodfit study` wrote.
        model: your own network, if the study trained one; only `Study.run_of` needs it.

    Raises:
        InputError: there is no study, or its files are damaged or have another format.
    """
    files = StudyFolder(Path(folder))
    definition = files.definition()
    study = Study(definition, files.targets(), model=model, search_notes=files.notes())
    for fit in files.all_fits(definition):
        study.add(fit)
        run = files.finished_run(definition, fit.candidate, fit.key) if fit.stage == COMPARE else None
        if run:
            study.runs[(fit.label, *fit.key)] = run
    study.sort()
    return study


def save_results(study: Study, folder: Path) -> None:
    """Write tables, the answer and the best recipe, and the best and plain runs to `best/` and `plain/`.

    Where several processes share the folder, call it within `StudyFolder.writing_results`.

    Raises:
        OSError: a file cannot be written; it is named.
    """
    for name in RESULT_FILES:  # what a killed process has left
        (folder / f"{name}.part").unlink(missing_ok=True)
    _write_table(folder / "fits.csv", study.fits_frame())
    if study.best() is None:
        return
    _write_table(folder / "ranking.csv", study.frame())
    _write_table(folder / "metrics.csv", study.metrics_frame())
    write_json(folder / "answer.json", answer(study))
    write_bytes(folder / "recipe.yaml", recipe_yaml(study).encode())
    for label, name in ((study.recommended().label, BEST_FOLDER), (PLAIN, PLAIN_FOLDER)):
        try:
            run = study.run_of(label)
        except NetworkNeeded:  # the user's own network, which only Python has; the folder stays as it is
            continue
        except InputError as error:
            study.messages.append(f"{name}/ has no network: {error}")
            (folder / name / "run.json").unlink(missing_ok=True)
            continue
        save_run(run, folder / name, force=True)
    (folder / "run.json").unlink(missing_ok=True)  # of a run that was in the folder before


RESULT_FILES = ("fits.csv", "ranking.csv", "metrics.csv", "answer.json", "recipe.yaml", "report.html", "study.json")


def answer(study: Study) -> dict[str, Any]:
    """The result as plain JSON values; it contains no times, so that equal studies have equal answers.

    `difference` is that of the recommended recipe from the plain network, or else of the recipe that gained most, whose
    label is `compared`; its interval holds for all compared recipes at once. Differences are those of the metric: of a
    loss or an error, an improvement is negative.
    """
    result = study.evidence()
    recommended, best = study.recommended(), result.best
    test = {label: estimate.to_dict() for label, estimate in study.test_scores().items()}
    if len(test) > 1 and best is not None:
        test["difference"] = study.difference(best.candidate.label, part="test").to_dict()
    return {
        "format": FORMAT, "goodfit": __version__, "name": study.name, "sentence": sentence(study, result),
        "recommended": recommended.recipe.text(), "label": recommended.label,
        "training": recommended.settings(study.training).changed(),
        "confidence": result.recommended.confidence if result.recommended else NOT_SHOWN,
        "metric": study.metric, **_difference(study, best), "smallest_detectable": _finite(result.smallest_detectable),
        "score": study.estimate(recommended.label).to_dict(), "complete": study.complete,
        "fits": len(study.fits) + len(study.screening) + len(study.ablations), "trials": study.trials,
        "recipes": len(study.labels), "calibration": _calibration(study), "test": test,
        "ranking": [_row(study, ranked, result) for ranked in study.ranking()], "ablation": ablation(study),
        "sweeps": sweeps(study), "notes": [*study.definition.notes, *study.search_notes],
    }  # fmt: skip


def _difference(study: Study, best: Comparison | None) -> dict[str, Any]:
    """The difference of a recipe from the plain network, as the metric has it."""
    sign = 1 if study.higher_is_better else -1
    names = ("difference", "difference_low", "difference_high", "difference_shrunk", "p", "p_unadjusted",
             "p_resampled")  # fmt: skip
    if best is None:
        return dict.fromkeys(("compared", *names, "optimism"))
    low, high = sorted((sign * best.low, sign * best.high))
    values = (sign * best.gain, low, high, sign * best.shrunk, best.p_adjusted, best.p, best.p_resampled)
    screened = study.screened_gain(best.candidate)
    return {
        "compared": best.candidate.label, **dict(zip(names, map(_finite, values), strict=True)),
        "optimism": _finite(screened - best.gain),
    }  # fmt: skip


def _calibration(study: Study) -> dict[str, Any] | None:
    """Log loss before and after temperature scaling: of the plain network, and which recipe improves it."""
    if study.spec.task != "classification":
        return None
    result: dict[str, Any] = {}
    for name in ("log_loss", CALIBRATED):
        best = study.evidence(name).recommended
        result[name] = {
            "plain": _finite(study.plain_score(name)), "recipe": best.candidate.recipe.text() if best else "",
            "confidence": best.confidence if best else NOT_SHOWN,
            "difference": _finite(-best.gain) if best else None,
        }  # fmt: skip
    return result


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _row(study: Study, ranked: RankedRecipe, result: Evidence) -> dict[str, Any]:
    compared = result.of(ranked.candidate.label)
    return {
        "recipe": ranked.candidate.label, "text": ranked.candidate.recipe.text(), "score": ranked.score.to_dict(),
        "difference": ranked.difference.to_dict() if ranked.difference else None, "wins": ranked.wins,
        "confidence": compared.confidence if compared else "", "p": _finite(compared.p_adjusted) if compared else None,
        "verdict": ranked.verdict, "failures": ranked.failures,
    }  # fmt: skip


def recipe_yaml(study: Study) -> str:
    """The recommended recipe as YAML, with the network and the training settings that reproduce it."""
    best = study.recommended()
    training = best.settings(study.training).changed()
    data = {
        "format": RECIPE_FORMAT, "network": study.network, "training": training, "recipe": best.recipe.to_list(),
    }  # fmt: skip
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def _write_table(path: Path, frame: pd.DataFrame) -> None:
    write_bytes(path, frame.to_csv(index=False).encode())
