"""Save a study: tables as CSV, all results as JSON, the best recipe as YAML, two runs with their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from goodfit.recipe import FORMAT as RECIPE_FORMAT
from goodfit.serialization import write_bytes, write_json
from goodfit.store import remove_old_results, save_run
from goodfit.study.candidates import PLAIN
from goodfit.study.result import Study

BEST_FOLDER, PLAIN_FOLDER = "best", "plain"
"""Folders of the best and the plain run within that of a study."""
FORMAT = 1
"""Version of `study.json`."""


def save_runs(study: Study, folder: Path) -> None:
    """Write `runs.csv`, one line per run. A study calls it after every run, so that no result is lost."""
    frame = pd.DataFrame([trial.row() for trial in study.trials])
    write_bytes(folder / "runs.csv", frame.to_csv(index=False).encode())


def save_study(study: Study, folder: Path) -> None:
    """Write the study, and its best and plain runs to `best/` and `plain/`, which `load_run` reads."""
    save_runs(study, folder)
    remove_old_results(folder)
    write_bytes(folder / "ranking.csv", study.frame().to_csv(index=False).encode())
    write_json(folder / "study.json", to_dict(study))
    best = study.best()
    if best is None:
        return
    write_bytes(folder / "recipe.yaml", recipe_yaml(study).encode())
    save_run(study.run_of(best.candidate.label), folder / BEST_FOLDER, force=True)
    if any(trial.run for trial in study.trials_of(PLAIN)):
        save_run(study.run_of(PLAIN), folder / PLAIN_FOLDER, force=True)


def recipe_yaml(study: Study) -> str:
    """Return the best recipe as YAML, with the network and the training settings that reproduce it."""
    best = study.best()
    recipe = best.candidate.recipe.to_list() if best else []
    data = {"format": RECIPE_FORMAT, "network": study.network, "training": study.training.changed(), "recipe": recipe}
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def to_dict(study: Study) -> dict[str, Any]:
    """Return everything but the weights as plain JSON values: settings, runs with their histories, test scores."""
    return {
        "format": FORMAT, "name": study.name, "spec": study.spec.to_dict(), "metric": study.metric,
        "network": study.network,
        "training": study.training.values(), "seeds": list(study.seeds), "rows": study.rows, "notes": study.notes,
        "interrupted": study.interrupted,
        "test": {label: {"mean": e.mean, "low": e.low, "high": e.high, "n": e.n} for label, e in study.test.items()},
        "runs": [trial.row() | {"history": trial.run.history.to_dict() if trial.run else {}} for trial in study.trials],
    }  # fmt: skip
