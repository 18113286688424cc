"""Schedules jobs: trains them in populations where that is faster, and all others one by one."""

from __future__ import annotations

import logging
import math
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from joblib import Parallel, delayed

from goodfit.data import Split
from goodfit.data.storage import is_large
from goodfit.errors import TrainingError, first_line
from goodfit.kernels.choice import KernelChoice
from goodfit.processes import begin_worker
from goodfit.progress import ManyProgress
from goodfit.registry import is_registered, register
from goodfit.surgery import copy_module
from goodfit.technique import Technique
from goodfit.train.fit import TrainingOutcome, build_run, fit, run_metadata
from goodfit.train.losses import Loss
from goodfit.train.population.grouping import Structure, group
from goodfit.train.population.jobs import Job, Networks
from goodfit.train.population.population import CannotStackError, Population
from goodfit.train.population.vectorized import FinishedMember, MemberBatch
from goodfit.train.population.workers import WorkerDiedError, WorkQueue, run_in_parallel, using_threads
from goodfit.train.run import Run, snapshot

LOG = logging.getLogger("goodfit")
Result = Run | TrainingError
MIN_SECONDS = 20.0
"""Seconds of remaining work above which processes are started: each of them first imports torch."""


@dataclass
class Workload:
    """What is known about the runs of several calls of `run_jobs`, to decide whether starting processes pays off.

    All these runs are trained alike, with one thread each (unless copies of their data do not fit in memory), so that
    their results do not depend on which of them are trained in processes. An error of the network in a run with a
    recipe is the result of that run; the others are trained.

    `later_calls`: the calls with about as many runs that follow. `seconds`: the time of a run that is trained alone;
    NaN before the first one. `in_processes`: whether processes have been started; they then wait for the next call.
    `too_few`: runs of one structure for which a population was measured to be slower; it is not measured for fewer.
    """

    later_calls: int = 0
    seconds: float = math.nan
    in_processes: bool = False
    too_few: int = 1


def run_jobs(
    networks: Networks,
    jobs: Sequence[Job],
    loss: Loss | None,
    bar: ManyProgress,
    *,
    population: bool | None = None,
    workload: Workload | None = None,
) -> Iterator[tuple[int, Result]]:
    """The results of jobs by their numbers, as they finish.

    Runs of one structure are trained as a population if that is faster (`population=True`: if it is possible; `False`:
    never); the others are trained one by one. Ctrl-C raises KeyboardInterrupt after the results of the runs in
    training. `workload` is updated.
    """
    stackable = [job for job in jobs if population is not False and not job.not_vectorizable]
    solo = [job for job in jobs if population is False or job.not_vectorizable]
    few = workload.too_few if workload and not population else 1
    for structure, numbers in group([(job.key, job.plan.recipe) for job in stackable]):
        members = [stackable[i] for i in numbers]
        trained = _population(networks, structure, members, population) if len(members) > few else None
        if trained is None:
            solo += members
            if workload:
                workload.too_few = max(workload.too_few, len(members))
        else:
            yield from PopulationTrainer(trained, bar).train()
    solo.sort(key=lambda job: (job.seed, job.number))  # so that an interrupted study has compared all recipes by seed
    for number, result in fit_one_by_one(networks, solo, loss, workload=workload):
        run = result if isinstance(result, Run) else None
        if run and run.interrupted and not run.epochs:
            raise KeyboardInterrupt
        bar.add_epoch(0, 0, 0.0, [run.row[f"stop_{run.metric}"]] if run else [])
        bar.add_run(jobs[number].plan.training.epochs - 1)
        yield number, result
        if run and run.interrupted:
            raise KeyboardInterrupt


def _population(
    networks: Networks, structure: Structure, jobs: Sequence[Job], population: bool | None
) -> Population | None:
    """The jobs as a population, if that is possible and faster."""
    try:
        candidate = Population(networks, structure, jobs)
        return candidate if candidate.prepare(forced=bool(population)) else None
    except CannotStackError as reason:
        warnings.warn(f"goodfit: {len(jobs)} runs are trained one by one: {reason}.", stacklevel=4)
        return None


# ---- populations -----------------------------------------------------------------------------------


@dataclass
class EpochReport:
    """An epoch of a worker's members."""

    members: int
    steps: int
    seconds: float
    scores: list[float]
    finished: list[FinishedMember]
    interrupted: bool = False


@dataclass
class PopulationTrainer:
    """Trains a population: some members at a time; others join as these finish."""

    population: Population
    bar: ManyProgress

    def train(self) -> Iterator[tuple[int, Result]]:
        """The results by the jobs' numbers, as the runs finish."""
        population = self.population
        remaining = {job.number: job for job in population.jobs}
        try:
            for number, result in self._train(population.jobs, population.workers):
                del remaining[number]
                yield number, result
        except WorkerDiedError as error:
            population.members_at_once = max(1, population.members_at_once // 2)
            LOG.warning("goodfit: %s; the other runs are trained in one process, fewer at a time", error)
            yield from self._train(list(remaining.values()), 1)

    def _train(self, jobs: Sequence[Job], workers: int) -> Iterator[tuple[int, Result]]:
        queue = WorkQueue(jobs, workers)
        members: dict[int, int] = {}
        for worker, report in run_in_parallel([partial(self._epochs, queue, workers)] * workers, queue.stop):
            members[worker] = report.members
            self.bar.add_epoch(sum(members.values()), report.steps, report.seconds / workers, report.scores)
            for finished in report.finished:
                result = self._result(finished, report.interrupted)
                member = self.population.members[finished.number]
                self.bar.add_run(member.training.epochs - len(member.tracker.history))
                yield finished.number, result

    def _epochs(self, queue: WorkQueue[Job], workers: int) -> Iterator[EpochReport]:
        """Train epoch by epoch; members join until the queue is empty. The `stop` event interrupts the members."""
        population, calls = self.population, self.population.calls
        calls.may_compile &= workers == 1  # torch's compiler has processes of its own, which a fork cannot use
        batch = population.empty_batch(calls)
        try:
            while not queue.stop.is_set():
                jobs = queue.take(population.members_at_once - len(batch.members))
                if jobs:
                    population.join(batch, jobs)
                calls.expected_steps = population.expected_steps(batch.members, queue.remaining())
                if not batch.members:
                    return
                began, members = time.perf_counter(), len(batch.members)
                batch.train_epoch()
                steps = sum(len(member.batches) for member in batch.members)
                finished = batch.end_epoch()
                yield EpochReport(members, steps, time.perf_counter() - began, batch.scores, finished)
        except KeyboardInterrupt:
            yield self._interrupted(batch)
            raise
        yield self._interrupted(batch)

    def _interrupted(self, batch: MemberBatch) -> EpochReport:
        finished = batch.leave(range(len(batch.members))) if batch.members else []
        return EpochReport(0, 0, 0.0, [], [member for member in finished if member.epochs], interrupted=True)

    def _result(self, finished: FinishedMember, interrupted: bool = False) -> Result:
        if finished.failure:
            return TrainingError(finished.failure)
        population = self.population
        job, member = population.by_number[finished.number], population.members[finished.number]
        member.tracker.load_state(finished.tracker)
        network = copy_module(population.empty_network)
        weights = {}
        for name, state in (("best", finished.best), ("last", finished.last)):
            population.program.load_into(network, state["weights"], state["buffers"])
            weights[name] = snapshot(network)
        outcome = TrainingOutcome(member.tracker, weights["best"], weights["last"], interrupted)
        sample_rows = len(population.pool.sample(member)[0])
        metadata = run_metadata(job.split, job.plan, sample_rows, network, KernelChoice())
        metadata |= population.description(job)
        return build_run(outcome, network, job.plan, job.split, job.seed, population.networks.name(), metadata)


# ---- one by one --------------------------------------------------------------------------------------


def fit_one_by_one(
    networks: Networks,
    jobs: Sequence[Job],
    loss: Loss | None,
    processes: int | None = None,
    workload: Workload | None = None,
) -> Iterator[tuple[int, Result]]:
    """The results of jobs by their numbers, as they finish. The first job shows how long they take.

    `processes`: at most; None: one for each thread that torch uses.
    """
    if not jobs:
        return
    first, others = jobs[0], list(jobs)
    cores = _cores(first.split, processes)
    fitting = _copies_fit(first.split, cores)
    threads = 1 if workload and fitting and _on_cpu(first.split) else torch.get_num_threads()
    study_workload, workload = workload, workload or Workload()
    if math.isnan(workload.seconds):
        began = time.perf_counter()
        yield first.number, _fit_with_threads(threads, networks, first, loss, study_workload)
        workload.seconds = time.perf_counter() - began
        del others[0]
    workers = min(cores, len(others))
    expected = workload.seconds * (len(others) + workload.later_calls * len(jobs))
    pays_off = workload.in_processes or expected >= MIN_SECONDS
    if workers < 2 or not pays_off or not fitting:
        yield from ((job.number, _fit_with_threads(threads, networks, job, loss, study_workload)) for job in others)
        return
    workload.in_processes = True
    parallel = Parallel(n_jobs=workers, return_as="generator_unordered", batch_size=1)
    go_on = study_workload is not None
    others.sort(key=lambda job: (job.seed, -job.plan.training.epochs))  # the longest first: processes end together
    tasks = ((os.getpid(), networks, job, loss, go_on, _registered_techniques(job)) for job in others)
    yield from parallel(delayed(_fit_in_process)(*task) for task in tasks)


def processes_for(split: Split) -> int:
    """How many processes can train runs on a split one by one."""
    cores = _cores(split)
    return cores if _copies_fit(split, cores) else 1


def _cores(split: Split, most: int | None = None) -> int:
    return min(most or (torch.get_num_threads() if _on_cpu(split) else 1), os.cpu_count() or 1)


def _copies_fit(split: Split, processes: int) -> bool:
    """Whether a copy of the data for each process fits in memory."""
    return not is_large(processes * split.nbytes)


def _on_cpu(split: Split) -> bool:
    return bool(split.train.x.device.type == "cpu")


def _fit_with_threads(
    threads: int, networks: Networks, job: Job, loss: Loss | None, workload: Workload | None
) -> Result:
    with using_threads(threads):
        return _fit_or_failure(networks, job, loss, workload is not None)


def _fit_or_failure(networks: Networks, job: Job, loss: Loss | None, go_on: bool) -> Result:
    """Train one run. With `go_on`, an error of the network in a run with a recipe is its result."""
    try:
        return fit_job(networks, job, loss)
    except Exception as error:  # networks of users raise errors of any type
        if not go_on or not len(job.plan.recipe):
            raise
        return TrainingError(f"training: it failed with this recipe ({type(error).__name__}: {first_line(error)}).")


def fit_job(networks: Networks, job: Job, loss: Loss | None) -> Result:
    """Train one run with `fit`."""
    network = networks.for_fit(job.seed)
    try:
        return fit(network, job.split, job.plan.recipe, job.plan.training, seed=job.seed, loss=loss, progress=False)
    except TrainingError as error:
        return error


def _registered_techniques(job: Job) -> list[type[Technique]]:
    """The job's techniques that a worker process must register."""
    return [type(technique) for technique in job.plan.recipe if is_registered(type(technique))]


def _fit_in_process(
    parent: int, networks: Networks, job: Job, loss: Loss | None, go_on: bool, techniques: Sequence[type[Technique]]
) -> tuple[int, Result]:
    begin_worker(parent)
    torch.set_num_threads(1)
    for technique in techniques:
        register(technique)
    return job.number, _fit_or_failure(networks, job, loss, go_on)
