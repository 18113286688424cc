"""Remove a study from a folder, and nothing else that is in it."""

from __future__ import annotations

import re
from pathlib import Path

from filelock import FileLock, Timeout

from goodfit.errors import InputError

ID = re.compile(r"[0-9a-f]{16}")
"""The name of a fit."""
FILES = ("study.json", "targets.safetensors", "study.db", "study.db.sync.lock", "ranking.csv", "fits.csv",
         "metrics.csv", "search_notes.json", "answer.json", "recipe.yaml", "report.html", "run.json",
         "runs.csv")  # fmt: skip
"""Files of a study, also of one of an earlier version."""
OF_A_RUN = ("run.json", "recipe.yaml", "best.safetensors", "last.safetensors")
RUNS = ("best", "plain")


def remove_study(folder: Path, locks: str) -> None:
    """Remove the files that a study writes; `locks` is the name of the folder of its locks.

    Raises:
        InputError: another process works on it.
    """
    for lock in sorted((folder / locks).glob("*.lock")):
        try:
            with FileLock(lock).acquire(timeout=0):
                pass
        except Timeout:
            raise InputError(
                f"study: another process works in '{folder}' (it holds {lock.name}); wait for it, or choose another "
                "folder."
            ) from None
    for name in FILES:
        _remove_file(folder / name)
        _remove_file(folder / f"{name}.part")
    for name in RUNS:
        _remove_run(folder / name)
    for fit in _named_by_id(folder / "predictions"):
        fit.unlink(missing_ok=True)
    for run in _named_by_id(folder / "runs"):
        _remove_run(run)
    for decided in (folder / "rounds").glob("[0-9][0-9][0-9][0-9].json*"):
        decided.unlink(missing_ok=True)
    for lock in (folder / locks).glob("*.lock"):
        lock.unlink(missing_ok=True)
    for name in ("predictions", "runs", "rounds", locks):
        _remove_if_empty(folder / name)


def _named_by_id(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*") if ID.fullmatch(path.name.split(".")[0])]


def _remove_file(path: Path) -> None:
    if not path.is_dir():
        path.unlink(missing_ok=True)


def _remove_run(folder: Path) -> None:
    for name in OF_A_RUN:
        (folder / name).unlink(missing_ok=True)
        (folder / f"{name}.part").unlink(missing_ok=True)
    _remove_if_empty(folder)


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
