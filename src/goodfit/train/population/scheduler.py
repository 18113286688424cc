"""Schedules jobs: groups them into populations, trains those that pay as such, and the others one by one."""

from __future__ import annotations

import logging
import math
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch

from goodfit.data import Split, metric
from goodfit.errors import InputError, TrainingError
from goodfit.stages import Attack
from goodfit.surgery import copy_module
from goodfit.train.config import Training
from goodfit.train.fit import TrainingOutcome, build_run, run_metadata
from goodfit.train.losses import Loss
from goodfit.train.population.calls import Calls
from goodfit.train.population.capacity import arithmetic_seconds, max_members, median_seconds, solo_seconds
from goodfit.train.population.context import techniques_by_site
from goodfit.train.population.grouping import Structure, group, template_recipe
from goodfit.train.population.jobs import Job, Networks
from goodfit.train.population.members import Member
from goodfit.train.population.program import Program, State
from goodfit.train.population.row_pool import RowPool
from goodfit.train.population.solo_processes import Result, fit_one_by_one
from goodfit.train.population.vectorized import FinishedMember, MemberBatch
from goodfit.train.population.workers import WorkerDiedError, WorkQueue, available_workers, run_in_parallel
from goodfit.train.progress import ManyProgress
from goodfit.train.run import Run, snapshot
from goodfit.train.stages.on_batch import DataStats
from goodfit.train.stages.on_epoch import RunTracker
from goodfit.train.stages.on_model import attach_layers

LOG = logging.getLogger("goodfit")

MARGIN = 0.8
"""Share of a solo step's time that a member's step may take: the gain must exceed the noise of the measurement."""
ARITHMETIC_BOUND = 0.5
"""Share of arithmetic in a solo step above which a population cannot save enough."""
SHORT_SECONDS = 2.0
"""Work below which one worker trains all members: forking a process takes a tenth of a second."""
COMPILE_GAIN = 3.0
"""If a population pays only when it is compiled: the time saved, as a multiple of the cost of compiling."""


class CannotStackError(Exception):
    """A network, or a technique in it, cannot be computed as stacked tensors; the message says where."""


def run_jobs(
    networks: Networks, jobs: Sequence[Job], loss: Loss | None, bar: ManyProgress, *, population: bool | None = None
) -> Iterator[tuple[int, Result]]:
    """The results of jobs by their numbers, as they finish.

    Runs of one structure are trained as a population if that is faster (`population=True`: if it is possible; `False`:
    never); the others are trained one by one. Ctrl-C raises KeyboardInterrupt after the results of the runs in
    training.
    """
    stackable = [job for job in jobs if population is not False and not job.not_vectorizable]
    solo = [job for job in jobs if population is False or job.not_vectorizable]
    for structure, numbers in group([(job.key, job.plan.recipe) for job in stackable]):
        members = [stackable[i] for i in numbers]
        trained = _population(networks, structure, members, bar, population) if len(members) > 1 else None
        if trained is None:
            solo += members
        else:
            yield from trained.train()
    solo.sort(key=lambda job: (job.seed, job.number))  # so that an interrupted study has compared all recipes by seed
    for number, result in fit_one_by_one(networks, solo, loss):
        scores = [result.row[f"stop_{result.metric}"]] if isinstance(result, Run) and result.epochs else []
        bar.add_epoch(0, 0, 0.0, scores)
        bar.add_run(jobs[number].plan.training.epochs - 1)
        yield number, result
        if isinstance(result, Run) and result.interrupted:
            raise KeyboardInterrupt


def _population(
    networks: Networks, structure: Structure, jobs: Sequence[Job], bar: ManyProgress, population: bool | None
) -> Population | None:
    """The jobs as a population, if that is possible and pays."""
    try:
        candidate = Population(networks, structure, jobs, bar)
        return candidate if candidate.prepare(forced=bool(population)) else None
    except CannotStackError as reason:
        warnings.warn(f"goodfit: {len(jobs)} runs are trained one by one: {reason}.", stacklevel=4)
        return None


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
class Population:
    """The jobs of one structure. Some of them are trained together; others join as these finish."""

    networks: Networks
    structure: Structure
    jobs: Sequence[Job]
    bar: ManyProgress

    def __post_init__(self) -> None:
        first = self.jobs[0]
        aligned = {job.number: self.structure.align(job.plan.recipe) for job in self.jobs}
        recipe = template_recipe(self.structure, [recipe for recipe, _ in aligned.values()])
        network = self.networks.template(first.split)
        attachment = attach_layers(copy_module(network), recipe)
        self.empty_network = attachment.remove_training_hooks()
        self.program = Program(network, recipe, first.plan, DataStats.of(first.split, recipe))
        self.members = {
            job.number: Member(
                job.number, job.plan.recipe, job.plan.training, job.seed, job.split,
                RunTracker.of(job.plan.recipe, job.plan.training.metric),
                techniques_by_site(self.program.attachment, *aligned[job.number]), self.program.update.intervals,
            )
            for job in self.jobs
        }  # fmt: skip
        self.n_weights = sum(p.numel() for p in self.program.parameters)
        self.calls, self.workers, self.together = Calls(), 1, 2  # `together`: members of one worker at a time
        self.by_number = {job.number: job for job in self.jobs}
        dtype = self.program.parameters[0].dtype
        self.pool = RowPool([job.split for job in self.jobs], bool(recipe.at(Attack)), dtype)

    # ---- whether it is possible and pays -------------------------------------------------------

    def try_step(self) -> None:
        """Take one step and one evaluation, and discard them.

        Raises:
            CannotStackError: an operation of the network or of a technique cannot be mapped over members.
        """
        batch = self._batch(Calls(), 2)
        entered: list[str] = []
        hooks = [
            module.register_forward_pre_hook(
                lambda m, args, name=name: entered.append(f"'{name or 'network'}' ({type(m).__name__})")
            )
            for name, module in self.program.model.named_modules()
        ]
        try:
            with warnings.catch_warnings():  # torch warns about operations that it maps one by one
                warnings.filterwarnings("ignore", message="There is a performance drop")
                batch.trial_step()
                batch.trial_evaluation()
        except InputError:
            raise
        except (RuntimeError, NotImplementedError, TypeError, ValueError, AttributeError) as error:
            where = f"at layer {entered[-1]}" if entered else "before its first layer"
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise CannotStackError(f"it cannot be stacked {where}: {reason[:200]}") from error
        finally:
            for hook in hooks:
                hook.remove()
            self.program.context.reset()

    def prepare(self, forced: bool) -> bool:
        """Time a few steps, and compile them if that pays; whether the population is faster than solo runs.

        It is if a member's step takes less time than a step of the solo trainer. `forced`: train it in any case.

        Raises:
            CannotStackError: as in `try_step`.
        """
        device, width = self.pool.device, self.program.parameters[0].element_size()
        self.workers = min(available_workers() if device.type == "cpu" else 1, len(self.jobs))
        capacity = max_members(self.n_weights, width, device, self.workers)
        self.together = min(capacity, -(-len(self.jobs) // self.workers))
        if self.together * self.workers < 2 and not forced:
            return False
        with _threads(1 if self.workers > 1 else torch.get_num_threads()):
            self.calls.threads = int(self.workers > 1)
            limit = math.inf if forced else self._time_limit()
            if not limit:
                return False
            self.try_step()
            mapped = self._member_seconds(Calls())
            pays = mapped < limit
            self.calls.expected_steps = self._expected_steps([], self.jobs)
            self.calls.required_gain = 1.0 if pays else COMPILE_GAIN
            step = mapped * self.together * self.workers
            if self.calls.worth_compiling(step * self.calls.expected_steps) and self._compile():
                pays = pays or self._member_seconds(self.calls) < limit
        self.calls.required_gain = 1.0
        if mapped * sum(_steps(job.plan.training, job.split) for job in self.jobs) < SHORT_SECONDS:
            self.workers = 1
        return pays

    def _time_limit(self) -> float:
        """The seconds for a member's step below which the population pays; 0 if a solo step is mostly arithmetic."""
        with torch.random.fork_rng():
            seconds = solo_seconds(self.networks, self.jobs[0])
        mostly_arithmetic = arithmetic_seconds(self.networks, self.jobs[0]) > ARITHMETIC_BOUND * seconds
        return 0.0 if mostly_arithmetic else MARGIN * seconds / self.workers

    def _member_seconds(self, calls: Calls) -> float:
        """The seconds of a member's step when all workers are as busy as this one."""
        return median_seconds(self._batch(calls).trial_step) / (self.together * self.workers)

    def _compile(self) -> bool:
        """Take steps until it is decided whether further ones are compiled; whether any are."""
        batch = self._batch(self.calls)
        for _ in range(self.calls.timed):
            batch.trial_step(all_sizes=True)
        for _ in range(self.calls.timed):
            batch.trial_evaluation()
        return any(record.compiled for record in self.calls.records.values())

    def _batch(self, calls: Calls, size: int = 0) -> MemberBatch:
        """Some members for a trial."""
        batch = MemberBatch(self.program, metric(self.jobs[0].plan.training.metric), self.pool, calls)
        members = [self.members[job.number] for job in self.jobs[: size or self.together]]
        batch.join(members, [self._start(member) for member in members])
        return batch

    # ---- training ------------------------------------------------------------------------------

    def train(self) -> Iterator[tuple[int, Result]]:
        """The results by the jobs' numbers, as the runs finish."""
        remaining = {job.number: job for job in self.jobs}
        try:
            for number, result in self._train(self.jobs, self.workers):
                del remaining[number]
                yield number, result
        except WorkerDiedError as error:
            self.together = max(1, self.together // 2)
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
                member = self.members[finished.number]
                self.bar.add_run(member.training.epochs - len(member.tracker.history))
                yield finished.number, result

    def _epochs(self, queue: WorkQueue[Job], workers: int) -> Iterator[EpochReport]:
        """Train epoch by epoch; members join until the queue is empty. If told to stop, the members are interrupted."""
        self.calls.may_compile &= workers == 1  # torch's compiler has processes of its own, unusable in a fork
        batch = MemberBatch(self.program, metric(self.jobs[0].plan.training.metric), self.pool, self.calls)
        try:
            while not queue.stop.is_set():
                joining = [self.members[job.number] for job in queue.take(self.together - len(batch.members))]
                if joining:
                    batch.join(joining, [self._start(member) for member in joining])
                self.calls.expected_steps = self._expected_steps(batch.members, queue.remaining())
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
        finished = batch.leave(range(len(batch.members)))
        return EpochReport(0, 0, 0.0, [], [member for member in finished if member.epochs], interrupted=True)

    def _expected_steps(self, members: Sequence[Member], waiting: Sequence[Job]) -> int:
        """The steps of a full batch of members that this worker will take if no run stops early."""
        steps = sum(_steps(m.training, m.split, m.epoch - 1) for m in members)
        share = sum(_steps(job.plan.training, job.split) for job in waiting) / self.workers
        return int(steps + share) // self.together

    def _start(self, member: Member) -> State:
        """The initial tensors of a member; the template gets new weights instead of building a network."""
        self.networks.reset(self.program.model, member.seed)
        return self.program.start(member.techniques)

    def _result(self, finished: FinishedMember, interrupted: bool = False) -> Result:
        if finished.failure:
            return TrainingError(finished.failure)
        job, member = self.by_number[finished.number], self.members[finished.number]
        member.tracker.load_state(finished.tracker)
        network = copy_module(self.empty_network)
        weights = {}
        for name, state in (("best", finished.best), ("last", finished.last)):
            self.program.load_into(network, state["weights"], state["buffers"])
            weights[name] = snapshot(network)
        outcome = TrainingOutcome(member.tracker, weights["best"], weights["last"], interrupted)
        metadata = run_metadata(job.split, job.plan, len(self.pool.sample(member)[0]), network)
        return build_run(outcome, network, job.plan, job.split, job.seed, self.networks.name(), metadata)


def _steps(training: Training, split: Split, epochs: int = 0) -> int:
    """The steps that are left after this number of epochs."""
    return (training.epochs - epochs) * -(-len(split.train) // training.batch_size)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
