"""Train the fits of a study, fold by fold."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from goodfit.data import Split, metric
from goodfit.errors import TrainingError
from goodfit.progress import ManyProgress
from goodfit.study.candidates import Candidate
from goodfit.study.design import Design, Fold
from goodfit.study.fits import Fit, failed_fit, fit_of
from goodfit.study.keeping import Keeper
from goodfit.study.result import Study
from goodfit.train.losses import Loss
from goodfit.train.population.jobs import Job, Networks, PreparedRecipe
from goodfit.train.population.scheduler import Result, Workload, run_jobs
from goodfit.train.population.workers import using_threads
from goodfit.train.run import Run


@dataclass(eq=False)
class StudyTrainer:
    """Trains the fits that a study lacks. A fold is the unit of work: its fits are trained together, by one process."""

    study: Study
    design: Design
    networks: Networks
    prepared: Sequence[PreparedRecipe]
    loss: Loss | None
    population: bool | None
    keeper: Keeper
    on_fit: Callable[[Study], None] | None
    known: set[tuple[str, int, int]] = field(default_factory=set)
    workload: Workload = field(default_factory=Workload)

    @property
    def candidates(self) -> Sequence[Candidate]:
        """The recipes, in the order of `prepared`."""
        return self.study.definition.candidates

    def train(self, progress: bool | None) -> None:
        """Train all fits that are not finished, and wait for those that other processes train.

        Ctrl-C ends it and marks the study as interrupted.
        """
        for fold in self.design:
            self._take_finished(fold)
        try:
            with self._bar(progress) as bar, self._stopped_by_ctrl_c():
                for wait in (False, True):
                    for number, fold in enumerate(self.design, 1):
                        bar.note = f"fold {number} of {len(self.design)}"
                        self._train_if_free(fold, bar, wait)
        finally:
            order = {label: number for number, label in enumerate(self.study.labels)}
            self.study.fits.sort(key=lambda fit: (fit.key, order[fit.label]))
            self.keeper.end(self.study)

    def _bar(self, show: bool | None) -> ManyProgress:
        study, training = self.study, self.study.training
        left = study.definition.fits - len(study.fits)
        before = f" ({len(study.fits)} of {study.definition.fits} fits were finished before)" if study.fits else ""
        scored = metric(training.metric)
        title = f"study of {study.name}{before}"
        return ManyProgress(left, left * training.epochs, scored.name, scored.higher_is_better, show, title)

    @contextlib.contextmanager
    def _stopped_by_ctrl_c(self) -> Iterator[None]:
        try:
            yield
        except KeyboardInterrupt:
            self.study.interrupted = True

    def _train_if_free(self, fold: Fold, bar: ManyProgress, wait: bool) -> None:
        if not self._missing(fold):
            return
        with self.keeper.claim(fold, wait) as owned:
            if not owned:
                return
            for _ in range(self._take_finished(fold)):
                bar.add_run(self.study.training.epochs)
            missing = self._missing(fold)
            if missing:
                self._train(fold, missing, bar)

    def _missing(self, fold: Fold) -> list[int]:
        """The numbers of the recipes whose fit on this fold is not known."""
        return [i for i, c in enumerate(self.candidates) if (c.label, *fold.key) not in self.known]

    def _take_finished(self, fold: Fold) -> int:
        """Take the fits of a fold that were finished before; returns how many these are."""
        count = 0
        for number in self._missing(fold):
            candidate = self.candidates[number]
            fit = self.keeper.finished(candidate, fold)
            if fit is None:
                continue
            run = self.keeper.finished_run(candidate, fold)
            if run is None and fold is self.design.folds[0] and not fit.failure:
                continue  # its network was deleted; it is trained once more
            self._keep(fit)
            if run is not None:
                self.study.runs[(fit.label, *fit.key)] = run
            count += 1
        return count

    def _keep(self, fit: Fit) -> None:
        self.study.fits.append(fit)
        self.known.add((fit.label, *fit.key))

    def _train(self, fold: Fold, missing: Sequence[int], bar: ManyProgress) -> None:
        split = fold.split()
        jobs = [self.prepared[i].job(number, fold.seed, split) for number, i in enumerate(missing)]
        self.workload.later_calls = sum(bool(self._missing(each)) for each in self.design) - 1
        for number, result in self._run(jobs, bar):
            candidate = self.candidates[missing[number]]
            fit, run = self._fit(candidate, fold, split, result)
            self._keep(fit)
            if run is not None:
                self.study.runs[(fit.label, *fit.key)] = run
            self.keeper.add(fit, run)
            self.keeper.show(self.study)
            bar.note = self._note(fold)
            if self.on_fit is not None:
                self.on_fit(self.study)

    def _run(self, jobs: Sequence[Job], bar: ManyProgress) -> Iterator[tuple[int, Result]]:
        return run_jobs(
            self.networks, jobs, self.loss, bar, population=self.population, workload=self.workload
        )  # fmt: skip

    def _fit(self, candidate: Candidate, fold: Fold, split: Split, result: Result) -> tuple[Fit, Run | None]:
        """What a training leaves, and its run if the network is kept.

        Raises:
            KeyboardInterrupt: Ctrl-C ended the training before it was finished.
        """
        if isinstance(result, TrainingError):
            spec, name = self.study.spec, self.study.definition.metric
            return failed_fit(candidate, fold, spec, name, str(result)), None
        if result.interrupted:
            raise KeyboardInterrupt
        with using_threads(1):  # other processes may use the other cores
            fit = fit_of(candidate, fold, result, split, self.loss)
        return fit, result if self._keeps_network(fit) else None

    def _keeps_network(self, fit: Fit) -> bool:
        """Whether the network is kept: of the first fold that did not fail."""
        first = fit.key == self.design.folds[0].key
        return first or all(other.failure for other in self.study.fits_of(fit.label) if other.key < fit.key)

    def _note(self, fold: Fold) -> str:
        """The note of the progress bar: the fold, and the best recipe so far."""
        number = self.design.folds.index(fold) + 1
        leader = self.study.leader()
        best = f"  best: {leader[0]} {leader[1]:.4f}" if leader else ""
        return f"fold {number} of {len(self.design)}{best}"
