"""Where a study keeps its fits: in memory, and in a folder that several processes can share."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from typing import Protocol as Interface

from goodfit._version import __version__
from goodfit.errors import InputError
from goodfit.study.candidates import Candidate
from goodfit.study.definition import Definition
from goodfit.study.design import Fold
from goodfit.study.files import DATABASE, StudyFolder
from goodfit.study.fits import Fit
from goodfit.study.result import Study
from goodfit.study.rounds import Round
from goodfit.study.stages import COMPARE, SCREEN, SHORT
from goodfit.train.run import Run

if TYPE_CHECKING:
    from goodfit.study.database import StudyDatabase, TrialRow


Decide: TypeAlias = Callable[[], Round | None]
"""Decides on the next round from the fits that are finished; None: the study ends."""
PAUSE = 20
"""Between two updates of the database while fits are trained, as a multiple of the time of the first one."""


class Keeper(Interface):
    """Keeps the finished fits of a study."""

    def claim(self, fold: Fold, candidates: Sequence[Candidate], wait: bool) -> AbstractContextManager[bool]:
        """Inside the block, whether this process may train the fits of some recipes on a fold."""
        ...

    def round(self, number: int, decide: Decide) -> Round | None:
        """The round of this number, from 0: the stored one, or else the one that `decide` returns; None: the end."""
        ...

    def finished(self, candidate: Candidate, fold: Fold, stage: str = COMPARE) -> Fit | None:
        """A fit that was finished before, also by another process."""
        ...

    def add(self, fit: Fit, run: Run | None) -> None:
        """Keep a finished fit, and its network if there is one."""
        ...

    def finished_run(self, candidate: Candidate, fold: Fold) -> Path | None:
        """The folder of the network of a fit that was finished before, if it is kept."""
        ...

    def show(self, study: Study) -> None:
        """Show the state of the study to other programs."""
        ...

    def end(self, study: Study) -> None:
        """Called at the end of the study, also after Ctrl-C."""
        ...

    def keep_notes(self, notes: Sequence[str]) -> None:
        """Keep what a search reports about itself."""
        ...


class Memory:
    """Keeps nothing: the study itself holds the fits."""

    @contextlib.contextmanager
    def claim(self, fold: Fold, candidates: Sequence[Candidate], wait: bool) -> Iterator[bool]:
        """There is no other process."""
        yield True

    def round(self, number: int, decide: Decide) -> Round | None:
        """Nothing is stored."""
        return decide()

    def finished(self, candidate: Candidate, fold: Fold, stage: str = COMPARE) -> Fit | None:
        """Nothing was finished before."""
        return None

    def add(self, fit: Fit, run: Run | None) -> None:
        """Do nothing."""

    def finished_run(self, candidate: Candidate, fold: Fold) -> Path | None:
        """There is no folder."""
        return None

    def show(self, study: Study) -> None:
        """Do nothing."""

    def end(self, study: Study) -> None:
        """Do nothing."""

    def keep_notes(self, notes: Sequence[str]) -> None:
        """Do nothing."""


class Folder:
    """Keeps fits in files, and shows them in a database. A fit that cannot be written is retried with the next one.

    Args:
        folder: the files.
        definition: the study.
        database: it follows from the files; see `StudyDatabase`.
        say: shows a message to the user.
    """

    def __init__(
        self, folder: StudyFolder, definition: Definition, database: StudyDatabase, say: Callable[[str], None]
    ) -> None:
        self.folder, self.definition, self.database, self.say = folder, definition, database, say
        self.waiting: list[tuple[Fit, Run | None]] = []
        self.failing = False
        self.next_show = self.pause = self.latest = 0.0  # latest: seconds of the last fit

    @contextlib.contextmanager
    def claim(self, fold: Fold, candidates: Sequence[Candidate], wait: bool) -> Iterator[bool]:
        """The fits of a fold belong to the process that holds its lock."""
        with self.folder.claim(fold, wait) as owned:
            if owned:
                self.folder.remove_leftovers(self.definition, candidates, fold.key)
            yield owned

    def round(self, number: int, decide: Decide) -> Round | None:
        """The first process that comes to the end of a round decides on the next one, for all of them."""
        if not self.definition.search:
            return decide()
        try:
            return self.folder.round(number, decide)
        except OSError as error:  # a full disk
            self.say(f"study: round {number} is not saved ({error}); the study goes on")
            return decide()

    def finished(self, candidate: Candidate, fold: Fold, stage: str = COMPARE) -> Fit | None:
        """See `Keeper`."""
        return self.folder.finished(self.definition, candidate, fold.key, stage)

    def add(self, fit: Fit, run: Run | None) -> None:
        """Write the fit, after those that could not be written before."""
        self.waiting.append((fit, run))
        self.latest = 0.0 if math.isnan(fit.seconds) else fit.seconds
        self.write_waiting()

    def write_waiting(self) -> None:
        """Write all fits that are not yet in files; say once if that fails."""
        try:
            while self.waiting:
                self.folder.write(self.definition, *self.waiting[0])
                del self.waiting[0]
            self.failing = False
        except OSError as error:
            if not self.failing:
                self.say(f"study: fits are not saved for now ({error}); the study goes on")
            self.failing = True

    def finished_run(self, candidate: Candidate, fold: Fold) -> Path | None:
        """See `Keeper`."""
        return self.folder.finished_run(self.definition, candidate, fold.key)

    def show(self, study: Study) -> None:
        """Write to the database what it lacks, unless the last time was a moment ago and fits are short."""
        began = time.monotonic()
        if began >= self.next_show or self.latest >= self.pause:
            self.database.sync(_trial_rows(study))
            self.pause = PAUSE * (time.monotonic() - began)
            self.next_show = time.monotonic() + self.pause

    def end(self, study: Study) -> None:
        """Write what is left; of a complete study, remove the locks."""
        self.write_waiting()
        self.database.sync(_trial_rows(study), last=True)
        if study.complete and not self.waiting:
            self.folder.end()
            self.database.remove_lock()

    def keep_notes(self, notes: Sequence[str]) -> None:
        """Write them."""
        try:
            self.folder.write_notes(notes)
        except OSError as error:
            self.say(f"study: the notes of the search are not saved ({error})")


def open_keeper(study: Study, folder: str | Path | None, storage: str | None, force: bool) -> Keeper:
    """Open the folder and the database of a study.

    Raises:
        InputError: they cannot be used.
    """
    if folder is None:
        if storage is not None:
            raise InputError(f"study: storage needs a folder for the fits, got storage={storage!r}; add folder=….")
        return Memory()
    files = StudyFolder(Path(folder))
    other = files.check(study.definition, force)
    if storage is None and other:  # the database of the other study is in the folder
        files.remove()
    database = _open_database(study, files, storage)
    if storage is not None and other:  # not before the database is known to be usable
        files.remove()
    files.begin(study.definition, study.targets)
    return Folder(files, study.definition, database, study.say)


def _open_database(study: Study, files: StudyFolder, storage: str | None) -> StudyDatabase:
    """The database that follows the study.

    Raises:
        InputError: it cannot be opened.
    """
    from goodfit.study.database import StudyDatabase  # imports Optuna
    from goodfit.study.optuna_storage import sqlite_url

    definition = study.definition
    attributes = {
        "data": definition.name, "metric": definition.metric, "network": definition.network,
        "protocol": definition.design, "goodfit": __version__,
    }  # fmt: skip
    if storage is None:
        files.path.mkdir(parents=True, exist_ok=True)
    url, name = storage or sqlite_url(files.path / DATABASE), f"{definition.name} {definition.hash}"
    return StudyDatabase.open(url, name, study.higher_is_better, attributes, study.say)


def _trial_rows(study: Study) -> list[TrialRow]:
    """The recipes of a study with the scores of their fits, as the database shows them."""
    from goodfit.study.database import TrialRow

    folds = study.definition.protocol.folds or 1
    rows, own = [], study.fits_by_label()
    for candidate in study.candidates:
        trial = study.definition.trial_id(candidate)
        fits = {fit.repeat * folds + fit.fold: fit for fit in own.get(candidate.label, ())}
        values = {number: study.value(fit) for number, fit in fits.items()}
        failures = {number: fit.failure for number, fit in fits.items() if fit.failure}
        complete = len(fits) == study.definition.fits_per_candidate
        rows.append(TrialRow(trial, candidate.label, candidate.recipe.text(), values, failures, complete))
    return rows + _screened_rows(study)


def _screened_rows(study: Study) -> list[TrialRow]:
    """The trials of the screening; they are complete when the comparison has begun, or after their last fold."""
    from goodfit.study.database import TrialRow

    fits: dict[Candidate, dict[int, Fit]] = {}
    for fit in study.screening:
        if fit.stage in (SCREEN, SHORT):
            fits.setdefault(fit.candidate, {})[fit.fold] = fit
    folds = study.definition.protocol.folds or 1
    rows = []
    for candidate, own in fits.items():
        values = {number: study.value(fit) for number, fit in own.items()}
        failures = {number: fit.failure for number, fit in own.items() if fit.failure}
        name, complete = f"screening {study.definition.trial_id(candidate)}", bool(study.fits) or len(own) == folds
        rows.append(
            TrialRow(name, f"screening: {candidate.label}", candidate.recipe.text(), values, failures, complete)
        )
    return rows
