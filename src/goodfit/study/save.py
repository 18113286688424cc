"""The results of a study as files, and a study read from its files. The results are a function of the files of fits."""

from __future__ import annotations

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
from goodfit.study.files import StudyFolder
from goodfit.study.result import RankedRecipe, Study

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
    study = Study(definition, files.targets(), model=model)
    protocol = definition.protocol
    keys = [(r, f) for r in range(protocol.repeats or 1) for f in range(protocol.folds or 1)]
    for key in keys:
        for candidate in definition.candidates:
            fit = files.finished(definition, candidate, key)
            run = files.finished_run(definition, candidate, key)
            study.fits += [fit] if fit else []
            if fit and run:
                study.runs[(fit.label, *key)] = run
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
    best = study.best()
    if best is None:
        return
    _write_table(folder / "ranking.csv", study.frame())
    _write_table(folder / "metrics.csv", study.metrics_frame())
    write_json(folder / "answer.json", answer(study, best))
    write_bytes(folder / "recipe.yaml", recipe_yaml(study).encode())
    for label, name in ((best.candidate.label, BEST_FOLDER), (PLAIN, PLAIN_FOLDER)):
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


def answer(study: Study, best: RankedRecipe) -> dict[str, Any]:
    """The result as plain JSON values; it contains no times, so that equal studies have equal answers."""
    difference = best.difference.to_dict() if best.difference else {}
    test = {label: estimate.to_dict() for label, estimate in study.test_scores().items()}
    if len(test) > 1:
        test["difference"] = study.difference(best.candidate.label, part="test").to_dict()
    return {
        "format": FORMAT, "goodfit": __version__, "name": study.name, "metric": study.metric,
        "complete": study.complete, "fits": len(study.fits), "recipes": len(study.labels),
        "recommended": best.candidate.recipe.text(), "label": best.candidate.label, "score": best.score.to_dict(),
        "difference": difference.get("mean"), "difference_low": difference.get("low"),
        "difference_high": difference.get("high"), "significance": study.significance(best), "test": test,
        "ranking": [_row(ranked) for ranked in study.ranking()], "notes": list(study.definition.notes),
    }  # fmt: skip


def _row(ranked: RankedRecipe) -> dict[str, Any]:
    return {
        "recipe": ranked.candidate.label, "text": ranked.candidate.recipe.text(), "score": ranked.score.to_dict(),
        "difference": ranked.difference.to_dict() if ranked.difference else None, "wins": ranked.wins,
        "verdict": ranked.verdict, "failures": ranked.failures,
    }  # fmt: skip


def recipe_yaml(study: Study) -> str:
    """The best recipe as YAML, with the network and the training settings that reproduce it."""
    best = study.best()
    recipe = best.candidate.recipe.to_list() if best else []
    data = {"format": RECIPE_FORMAT, "network": study.network, "training": study.training.changed(), "recipe": recipe}
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def _write_table(path: Path, frame: pd.DataFrame) -> None:
    write_bytes(path, frame.to_csv(index=False).encode())
