"""Train the fits of a study, round by round and fold by fold."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from goodfit.data import Split, metric
from goodfit.data.storage import is_large
from goodfit.errors import TrainingError
from goodfit.progress import ManyProgress
from goodfit.study.candidates import Candidate
from goodfit.study.design import Design, Fold
from goodfit.study.fits import Fit, failed_fit, fit_of
from goodfit.study.keeping import Keeper
from goodfit.study.result import Study
from goodfit.study.rounds import Clock, Round
from goodfit.study.stages import COMPARE
from goodfit.train.losses import Loss
from goodfit.train.population.jobs import Networks, Planner
from goodfit.train.population.scheduler import Result, Workload, run_jobs
from goodfit.train.population.workers import using_threads
from goodfit.train.run import Run

Key = tuple[str, str, int, int]
"""Stage, label of a recipe, repeat and number of a fold."""


@dataclass(frozen=True, eq=False)
class Trainer:
    """How fits are trained: the network, its initial weights and loss, and whether as a population."""

    networks: Networks
    planner: Planner
    loss: Loss | None
    population: bool | None


@dataclass(eq=False)
class StudyTrainer:
    """Trains the fits that a study lacks. A fold is the unit of work: its fits are trained together, by one process.

    `later_calls`: about how many units of work later rounds will have.
    """

    study: Study
    design: Design
    trainer: Trainer
    keeper: Keeper
    on_fit: Callable[[Study], None] | None = None
    fits: dict[Key, Fit] = field(default_factory=dict)
    workload: Workload = field(default_factory=Workload)
    clock: Clock = field(default_factory=Clock)
    rounds: list[Round] = field(default_factory=list)
    splits: dict[tuple[int, int], Split] = field(default_factory=dict)
    later_calls: int = 0

    def train(self, decide: Callable[[], Round | None], progress: bool | None) -> None:
        """Train round after round until `decide` returns None; fits that are finished are not trained.

        Ctrl-C ends it and marks the study as interrupted.
        """
        try:
            with self._stopped_by_ctrl_c():
                while (current := self.keeper.round(len(self.rounds), decide)) is not None:
                    self.clock.resume(current.seconds)
                    self._train_round(current, progress)
                    self.rounds.append(current)
        finally:
            self.study.sort()
            self.keeper.end(self.study)

    def _train_round(self, current: Round, progress: bool | None) -> None:
        folds = [self.design.fold(key) for key in current.folds]
        for fold in folds:
            self._take_finished(fold, current)
        if not any(self._missing(fold, current) for fold in folds):
            return
        with self._bar(current, progress) as bar:
            for wait in (False, True):
                for number, fold in enumerate(folds, 1):
                    where = f"fold {number} of {len(folds)}" if len(folds) > 1 else ""
                    self._train_if_free(fold, current, bar, wait, where)

    def _bar(self, current: Round, show: bool | None) -> ManyProgress:
        study, usual = self.study, self.study.training
        left = [c for c, key in current.fits if (current.stage, c.label, *key) not in self.fits]
        done = len(current.fits) - len(left)
        before = f" ({done} of {len(current.fits)} fits were finished before)" if done else ""
        scored = metric(usual.metric)
        stage = f": {current.note}" if current.note else ""
        epochs = sum(c.settings(usual).epochs for c in left)
        title = f"study of {study.name}{stage}{before}"
        return ManyProgress(len(left), epochs, scored.name, scored.higher_is_better, show, title)

    @contextlib.contextmanager
    def _stopped_by_ctrl_c(self) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            self.study.interrupted = True

    def _train_if_free(self, fold: Fold, current: Round, bar: ManyProgress, wait: bool, where: str) -> None:
        missing = self._missing(fold, current)
        if not missing:
            return
        bar.note = where
        with self.keeper.claim(fold, missing, wait) as owned:
            if not owned:
                return
            for candidate in self._take_finished(fold, current):
                bar.add_run(candidate.settings(self.study.training).epochs)
            missing = self._missing(fold, current)
            if missing:
                self._train(fold, missing, current, bar, where)

    def _missing(self, fold: Fold, current: Round) -> list[Candidate]:
        """The recipes whose fit on this fold is not known."""
        return [c for c in current.on(fold.key) if (current.stage, c.label, *fold.key) not in self.fits]

    def _take_finished(self, fold: Fold, current: Round) -> list[Candidate]:
        """Take the fits of a fold that were finished before; returns their recipes."""
        finished = []
        for candidate in self._missing(fold, current):
            fit = self.keeper.finished(candidate, fold, current.stage)
            if fit is None:
                continue
            run = self.keeper.finished_run(candidate, fold)
            if run is None and self._is_first(fold) and current.stage == COMPARE and not fit.failure:
                continue  # its network was deleted; it is trained once more
            self._keep(fit)
            if run is not None:
                self.study.runs[(fit.label, *fit.key)] = run
            finished.append(candidate)
        return finished

    def _is_first(self, fold: Fold) -> bool:
        return fold.key == self.design.folds[0].key

    def _keep(self, fit: Fit) -> None:
        self.study.add(fit)
        self.fits[(fit.stage, fit.label, *fit.key)] = fit

    def _train(
        self, fold: Fold, missing: Sequence[Candidate], current: Round, bar: ManyProgress, where: str
    ) -> None:  # fmt: skip
        split = self._split(fold)
        others = [self.design.fold(key) for key in current.folds]
        later = sum(bool(self._missing(each, current)) for each in others) - 1
        self.workload.later_calls = later + self.later_calls
        for candidate, result in self._results(fold, split, missing, bar):
            fit, run = self._fit(candidate, fold, split, result, current.stage)
            self._keep(fit)
            if run is not None:
                self.study.runs[(fit.label, *fit.key)] = run
            self.keeper.add(fit, run)
            self.keeper.show(self.study)
            bar.note = self._note(where)
            if self.on_fit is not None:
                self.on_fit(self.study)

    def _split(self, fold: Fold) -> Split:
        """The data of a fold; those of the folds for screening are kept if they fit in memory."""
        if fold.key in self.splits:
            return self.splits[fold.key]
        split, screening = fold.split(), self.design.screening
        if fold in screening and not is_large(len(screening) * split.nbytes):
            self.splits[fold.key] = split
        return split

    def _results(
        self, fold: Fold, split: Split, missing: Sequence[Candidate], bar: ManyProgress
    ) -> Iterator[tuple[Candidate, Result]]:
        trainer, first, usual = self.trainer, self.design.first_split, self.study.training
        prepared = [trainer.planner(first, c.recipe, c.settings(usual)) for c in missing]
        jobs = [recipe.job(number, fold.seed, split) for number, recipe in enumerate(prepared)]
        results = run_jobs(
            trainer.networks, jobs, trainer.loss, bar, population=trainer.population, workload=self.workload
        )
        return ((missing[number], result) for number, result in results)

    def _fit(
        self, candidate: Candidate, fold: Fold, split: Split, result: Result, stage: str
    ) -> tuple[Fit, Run | None]:
        """What a training leaves, and its run if the network is kept.

        Raises:
            KeyboardInterrupt: Ctrl-C ended the training before it was finished.
        """
        if isinstance(result, TrainingError):
            spec, name = self.study.spec, self.study.definition.metric
            return failed_fit(candidate, fold, spec, name, str(result), stage), None
        if result.interrupted:
            raise KeyboardInterrupt
        with using_threads(1):  # other processes may use the other cores
            fit = fit_of(candidate, fold, result, split, self.trainer.loss, stage)
        return fit, result if self._keeps_network(fit) else None

    def _keeps_network(self, fit: Fit) -> bool:
        """Whether the network is kept: of the first fold that did not fail."""
        if fit.stage != COMPARE:
            return False
        first = fit.key == self.design.folds[0].key
        return first or all(other.failure for other in self.study.fits_of(fit.label) if other.key < fit.key)

    def _note(self, where: str) -> str:
        """The note of the progress bar: the fold, and the best recipe so far."""
        leader = self.study.leader()
        best = f"best: {leader[0]} {leader[1]:.4f}" if leader else ""
        return "  ".join(filter(None, (where, best)))
