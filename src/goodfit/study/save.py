"""A study on disk: tables for people, JSON for programs, the best recipe as YAML with its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from goodfit.serialization import write_bytes, write_json
from goodfit.store import remove_old_results, save_run
from goodfit.study.candidates import PLAIN
from goodfit.study.result import Study


def save_runs(study: Study, folder: Path) -> None:
    """Write `runs.csv`, a line per finished run; called after each, so that nothing that was done is lost."""
    frame = pd.DataFrame([o.row() for o in study.trials])
    write_bytes(folder / "runs.csv", frame.to_csv(index=False).encode())


def save_study(study: Study, folder: Path) -> None:
    """Write the study and its two runs of interest: `best/` and `plain/`, each a folder that `load_run` reads."""
    save_runs(study, folder)
    remove_old_results(folder)
    write_bytes(folder / "ranking.csv", study.frame().to_csv(index=False).encode())
    write_json(folder / "study.json", to_dict(study))
    best = study.best()
    if best is None:
        return
    write_bytes(folder / "recipe.yaml", recipe_yaml(study).encode())
    save_run(study.run_of(best.candidate.label), folder / "best", force=True)
    if study.of(PLAIN) and any(o.run for o in study.of(PLAIN)):
        save_run(study.run_of(PLAIN), folder / "plain", force=True)


def recipe_yaml(study: Study) -> str:
    """The best recipe with all that is needed to train it again."""
    best = study.best()
    recipe = best.candidate.recipe.to_list() if best else []
    data = {"network": study.network, "training": study.training.changed(), "recipe": recipe}
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def to_dict(study: Study) -> dict[str, Any]:
    """Everything but weights, as plain data: runs with their histories, scores, the test part's answer."""
    return {
        "name": study.name, "spec": study.spec.to_dict(), "metric": study.metric, "network": study.network,
        "training": study.training.values(), "seeds": list(study.seeds), "rows": study.rows, "notes": study.notes,
        "interrupted": study.interrupted,
        "test": {label: {"mean": e.mean, "low": e.low, "high": e.high, "n": e.n} for label, e in study.test.items()},
        "runs": [o.row() | {"history": o.run.history.to_dict() if o.run else {}} for o in study.trials],
    }  # fmt: skip
