"""The folder of a study: its definition, and a file for every finished fit.

A fit is finished when its file is written and renamed into place. Everything else follows from these files.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from hashlib import blake2b
from pathlib import Path
from typing import Any

import torch

from goodfit.errors import InputError
from goodfit.history import History
from goodfit.serialization import read_json, read_tensors, write_json, write_tensors
from goodfit.store import check_writable, save_run
from goodfit.study.candidates import Candidate
from goodfit.study.definition import FORMAT, Definition, differences
from goodfit.study.design import Fold
from goodfit.study.fits import PARTS, Fit, Predictions
from goodfit.study.locks import Locks
from goodfit.study.removal import remove_study
from goodfit.study.rounds import Round
from goodfit.study.stages import COMPARE, STAGES
from goodfit.study.targets import Targets
from goodfit.train.run import Run

DEFINITION, TARGETS, DATABASE, NOTES = "study.json", "targets.safetensors", "study.db", "search_notes.json"
FITS, RUNS, LOCKS, ROUNDS = "predictions", "runs", "locks", "rounds"


class StudyFolder:
    """The files of a study."""

    def __init__(self, path: Path) -> None:
        self.path, self.locks = path, Locks(path / LOCKS)

    # ---- the definition ---------------------------------------------------------------------------------

    def definition(self) -> Definition:
        """The definition of the study in this folder.

        Raises:
            InputError: there is none, it is damaged or has another format.
        """
        file = self.path / DEFINITION
        if not file.is_file():
            raise InputError(f"study: there is no study in '{self.path}'; choose the folder of one.")
        return Definition.from_dict(read_json(file), file)

    def check(self, definition: Definition, force: bool = False) -> bool:
        """Check that the folder holds the same study, or is empty; with `force`, it may hold anything.

        Returns whether another study must be removed first.

        Raises:
            InputError: the folder holds another study or other files, or cannot be written to.
        """
        check_writable(self.path / DEFINITION, "study")
        try:
            if (self.path / DEFINITION).exists():
                self._check_same(definition)
            else:
                self._check_empty()
        except InputError:
            if not force:
                raise
            return True
        return False

    def remove(self) -> None:
        """Remove the study in the folder.

        Raises:
            InputError: another process works on it.
        """
        remove_study(self.path, LOCKS)

    def begin(self, definition: Definition, targets: Targets) -> None:
        """Write the definition, unless another process has done so, and the targets if they are not there.

        Raises:
            InputError: the other process runs another study.
            OSError: the files cannot be written.
        """
        if not (self.path / DEFINITION).exists() or not self._has(targets):
            with self.locks.held("study"):
                if not self._has(targets):
                    write_tensors(self.path / TARGETS, targets.tensors())
                if not (self.path / DEFINITION).exists():
                    write_json(self.path / DEFINITION, definition.to_dict())
        self._check_same(definition)

    def _has(self, targets: Targets) -> bool:
        try:
            stored, current = self.targets().tensors(), targets.tensors()
        except InputError:
            return False
        return all(torch.equal(stored[name], tensor) for name, tensor in current.items())

    def _check_same(self, definition: Definition) -> None:
        different = differences(self.definition(), definition)
        if different:
            raise InputError(
                f"study: '{self.path}' holds another study ({'; '.join(different[:3])}); choose another folder, or "
                "overwrite it with --force (force=True)."
            )

    def _check_empty(self) -> None:
        begun = (LOCKS, TARGETS, f"{TARGETS}.part", f"{DEFINITION}.part")  # by a process that was killed
        names = {p.name for p in self.path.iterdir()} if self.path.is_dir() else set()
        others = sorted(name for name in names - set(begun) if not name.startswith(DATABASE))
        if others and DEFINITION not in names:  # another process may have written it in the meantime
            raise InputError(
                f"study: '{self.path}' holds other files ({', '.join(others[:3])}); choose another folder, or "
                "overwrite the results in it with --force (force=True)."
            )

    def targets(self) -> Targets:
        """The targets of the study.

        Raises:
            InputError: the file is absent or damaged.
        """
        try:
            return Targets(**read_tensors(self.path / TARGETS)[0])
        except TypeError as error:
            raise InputError(
                f"study: '{self.path / TARGETS}' must hold the targets of a study, got other tensors; run the study's "
                "command, which writes it."
            ) from error

    # ---- rounds -----------------------------------------------------------------------------------------

    def round(self, number: int, decide: Callable[[], Round | None]) -> Round | None:
        """The stored round of this number; without one, that of `decide`, which is stored.

        Raises:
            InputError: the file is damaged.
            OSError: it cannot be written.
        """
        with self.locks.held("rounds"):
            stored = self.rounds(number)
            if stored:
                return stored[0]
            decided = decide()
            if decided is not None:
                write_json(self.path / ROUNDS / f"{number:04}.json", decided.to_dict())
            return decided

    def rounds(self, first: int = 0) -> list[Round]:
        """The stored rounds from a number on.

        Raises:
            InputError: a file is damaged.
        """
        rounds: list[Round] = []
        while (file := self.path / ROUNDS / f"{first + len(rounds):04}.json").is_file():
            try:
                rounds.append(Round.from_dict(read_json(file)))
            except (KeyError, TypeError, ValueError, IndexError) as error:
                raise InputError(f"study: '{file}' is damaged ({error!r}); delete it and later ones.") from error
        return rounds

    def write_notes(self, notes: Sequence[str]) -> None:
        """Write what a search reports about itself.

        Raises:
            OSError: the file cannot be written.
        """
        write_json(self.path / NOTES, list(notes))

    def notes(self) -> list[str]:
        """What the search reported about itself; empty if it has not ended, or the file is damaged."""
        with contextlib.suppress(InputError):
            notes = read_json(self.path / NOTES)
            return list(map(str, notes)) if isinstance(notes, list) else []
        return []

    # ---- fits -------------------------------------------------------------------------------------------

    def fit_file(self, definition: Definition, trial: str, fold: tuple[int, int], stage: str = COMPARE) -> Path:
        """The file of a fit."""
        return self.path / FITS / f"{definition.fit_id(trial, *fold, stage)}.safetensors"

    def run_folder(self, definition: Definition, trial: str, fold: tuple[int, int]) -> Path:
        """The folder of a fit's network."""
        return self.path / RUNS / definition.fit_id(trial, *fold)

    def write(self, definition: Definition, fit: Fit, run: Run | None = None) -> None:
        """Write a finished fit, after its network if that is kept.

        Raises:
            OSError: the files cannot be written.
        """
        trial = definition.trial_id(fit.candidate)
        if run is not None:
            save_run(run, self.run_folder(definition, trial, fit.key), force=True)
        tensors = {part: p.outputs for part, p in fit.predictions.items()}
        rows = {f"{part}_rows": p.rows for part, p in fit.predictions.items()}
        header = _header(fit, trial) | {"checksum": _checksum(tensors | rows)}
        write_tensors(self.fit_file(definition, trial, fit.key, fit.stage), tensors | rows, header)

    def read(self, definition: Definition, trial: str, fold: tuple[int, int]) -> Fit:
        """A finished fit.

        Raises:
            InputError: the file is absent, damaged or of another format.
        """
        return self._read(definition, self.fit_file(definition, trial, fold))

    def _read(self, definition: Definition, file: Path) -> Fit:
        """A finished fit; its file must have the name that follows from its content."""
        tensors, header = read_tensors(file)
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise InputError(f"study: '{file}' must be a fit of format {FORMAT}, got another file; delete it.")
        if header.get("checksum") != _checksum(tensors):
            raise InputError(f"study: '{file}' is damaged (its checksum differs); delete it.")
        try:
            fit = _fit(definition, Candidate.from_dict(header["candidate"]), tensors, header)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"study: '{file}' is damaged ({error!r}); delete it.") from error
        if self.fit_file(definition, definition.trial_id(fit.candidate), fit.key, fit.stage) != file:
            raise InputError(f"study: '{file}' must be a fit of this study, got one of another; delete it.")
        return fit

    def all_fits(self, definition: Definition) -> list[Fit]:
        """All finished fits; damaged files are left out."""
        fits = []
        for file in sorted((self.path / FITS).glob("*.safetensors")):
            with contextlib.suppress(InputError):
                fits.append(self._read(definition, file))
        return fits

    def finished(
        self, definition: Definition, candidate: Candidate, fold: tuple[int, int], stage: str = COMPARE
    ) -> Fit | None:
        """A fit if it is finished; one whose file is damaged is not."""
        file = self.fit_file(definition, definition.trial_id(candidate), fold, stage)
        if not file.is_file():
            return None
        with contextlib.suppress(InputError):
            return self._read(definition, file)
        return None

    def finished_run(self, definition: Definition, candidate: Candidate, fold: tuple[int, int]) -> Path | None:
        """The folder of a fit's network, if it is kept and can be read."""
        folder = self.run_folder(definition, definition.trial_id(candidate), fold)
        try:
            read_json(folder / "run.json")
            read_tensors(folder / "best.safetensors")
            read_tensors(folder / "last.safetensors")
        except InputError:
            return None
        return folder

    # ---- several processes ------------------------------------------------------------------------------

    def claim(self, fold: Fold, wait: bool) -> AbstractContextManager[bool]:
        """Inside the block, whether this process owns a fold; with `wait`, as soon as no other process does."""
        return self.locks.claim(f"repeat-{fold.repeat}-fold-{fold.number}", wait)

    def remove_leftovers(self, definition: Definition, candidates: Sequence[Candidate], fold: tuple[int, int]) -> None:
        """Remove what a killed process has left of the fits of a fold; only its owner may call it."""
        for candidate in candidates:
            trial = definition.trial_id(candidate)
            for stage in STAGES:
                file = self.fit_file(definition, trial, fold, stage)
                file.with_name(f"{file.name}.part").unlink(missing_ok=True)
            file = self.fit_file(definition, trial, fold)
            folder = self.run_folder(definition, trial, fold)
            if folder.is_dir() and not file.is_file():
                shutil.rmtree(folder)

    @contextlib.contextmanager
    def writing_results(self) -> Iterator[None]:
        """Inside the block, no other process writes results."""
        try:
            with self.locks.held("results"):
                yield
        finally:
            self.locks.remove("results")

    def end(self) -> None:
        """Remove the locks of a complete study: a process that still waits for one has nothing left to train."""
        self.locks.remove("study", "rounds", "repeat-*")


def _checksum(tensors: Mapping[str, torch.Tensor]) -> str:
    digest = blake2b(digest_size=8)
    for name in sorted(tensors):
        digest.update(f"{name} {tuple(tensors[name].shape)} {tensors[name].dtype}".encode())
        digest.update(tensors[name].detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _header(fit: Fit, trial: str) -> dict[str, Any]:
    return {
        "format": FORMAT, "trial": trial, "candidate": fit.candidate.to_dict(), "stage": fit.stage,
        "repeat": fit.repeat, "fold": fit.fold, "seed": fit.seed, "metric": fit.metric, "kept_epoch": fit.kept_epoch,
        "best_epoch": fit.best_epoch, "stopped": fit.stopped, "metadata": fit.metadata, "loss": fit.loss,
        "seconds": fit.seconds, "failure": fit.failure, "history": fit.history.to_dict(),
    }  # fmt: skip


def _fit(definition: Definition, candidate: Candidate, tensors: dict[str, torch.Tensor], header: dict[str, Any]) -> Fit:
    parts = [part for part in PARTS if part in tensors]
    return Fit(
        candidate, header["repeat"], header["fold"], header["seed"], definition.spec, header["metric"],
        {part: Predictions(tensors[f"{part}_rows"], tensors[part]) for part in parts},
        History.from_dict(header["history"]), header["kept_epoch"], header["best_epoch"], header["stopped"],
        header["metadata"], float(header["loss"]), float(header["seconds"]), header["failure"], header["stage"],
    )  # fmt: skip
