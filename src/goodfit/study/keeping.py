"""Where a study keeps its fits: in memory, and in a folder that several processes can share."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Protocol as Interface

from goodfit.study.candidates import Candidate
from goodfit.study.definition import Definition
from goodfit.study.design import Fold
from goodfit.study.files import StudyFolder
from goodfit.study.fits import Fit
from goodfit.study.result import Study
from goodfit.train.run import Run

if TYPE_CHECKING:
    from goodfit.study.database import StudyDatabase, TrialRow


class Keeper(Interface):
    """Keeps the finished fits of a study."""

    def claim(self, fold: Fold, wait: bool) -> AbstractContextManager[bool]:
        """Inside the block, whether this process may train the fits of a fold."""
        ...

    def finished(self, candidate: Candidate, fold: Fold) -> Fit | None:
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


class Memory:
    """Keeps nothing: the study itself holds the fits."""

    @contextlib.contextmanager
    def claim(self, fold: Fold, wait: bool) -> Iterator[bool]:
        """There is no other process."""
        yield True

    def finished(self, candidate: Candidate, fold: Fold) -> Fit | None:
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

    @contextlib.contextmanager
    def claim(self, fold: Fold, wait: bool) -> Iterator[bool]:
        """The fits of a fold belong to the process that holds its lock."""
        with self.folder.claim(fold, wait) as owned:
            if owned:
                self.folder.remove_leftovers(self.definition, fold.key)
            yield owned

    def finished(self, candidate: Candidate, fold: Fold) -> Fit | None:
        """See `Keeper`."""
        return self.folder.finished(self.definition, candidate, fold.key)

    def add(self, fit: Fit, run: Run | None) -> None:
        """Write the fit, after those that could not be written before."""
        self.waiting.append((fit, run))
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
        """Write to the database what it lacks."""
        self.database.sync(_trial_rows(study))

    def end(self, study: Study) -> None:
        """Write what is left; of a complete study, remove the locks."""
        self.write_waiting()
        self.database.sync(_trial_rows(study), last=True)
        if study.complete and not self.waiting:
            self.folder.end()
            self.database.remove_lock()


def _trial_rows(study: Study) -> list[TrialRow]:
    """The recipes of a study with the scores of their fits, as the database shows them."""
    from goodfit.study.database import TrialRow

    folds = study.definition.protocol.folds or 1
    rows = []
    for trial, candidate in study.definition.trials.items():
        fits = {fit.repeat * folds + fit.fold: fit for fit in study.fits_of(candidate.label)}
        values = {number: study.value(fit) for number, fit in fits.items()}
        failures = {number: fit.failure for number, fit in fits.items() if fit.failure}
        complete = len(fits) == folds * (study.definition.protocol.repeats or 1)
        rows.append(TrialRow(trial, candidate.label, candidate.recipe.text(), values, failures, complete))
    return rows
