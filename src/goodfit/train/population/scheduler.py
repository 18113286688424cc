"""Populations from jobs: who is trained with whom, in which numbers, and what becomes of the others."""

from __future__ import annotations

import logging
import math
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
from goodfit.train.fit import TrainingOutcome, facts, finished
from goodfit.train.population.bar import ManyBar, now
from goodfit.train.population.calls import Calls
from goodfit.train.population.capacity import at_once, products_seconds, solo_seconds, timed
from goodfit.train.population.grouping import Structure, example
from goodfit.train.population.jobs import Job, Networks
from goodfit.train.population.members import Member
from goodfit.train.population.program import Program, State
from goodfit.train.population.row_pool import Pool
from goodfit.train.population.sites import by_place
from goodfit.train.population.solo_processes import Result
from goodfit.train.population.vectorized import FinishedMember, MemberBatch
from goodfit.train.population.workers import Shared, WorkerDiedError, possible, side_by_side
from goodfit.train.run import snapshot
from goodfit.train.stages.on_batch import DataStats
from goodfit.train.stages.on_epoch import RunTracker
from goodfit.train.stages.on_model import attach_layers

LOG = logging.getLogger("goodfit")

MARGIN = 0.8
"""Share of a solo step's time that a member may take: the gain must be more than the noise of the measurement."""
BOUND = 0.5
"""Share of a solo step that is arithmetic, above which training together has too little to spare."""
SHORT = 2.0
"""Seconds of work below which it is not shared out: to copy the process takes a tenth of one."""
CAUTION = 3.0
"""Where only compiling would make it pay: how many times over the time that it takes must be expected back."""


class CannotStackError(Exception):
    """A network, or what a recipe does in it, has no stacked form; says where."""


@dataclass
class Epoch:
    """An epoch of some members, as it is told to who waits for results."""

    alive: int
    steps: int
    seconds: float
    scores: list[float]
    ended: list[FinishedMember]
    interrupted: bool = False


@dataclass
class Population:
    """The jobs of one structure: a few at a time are trained together, and others follow as those end."""

    networks: Networks
    structure: Structure
    jobs: Sequence[Job]
    bar: ManyBar

    def __post_init__(self) -> None:
        first = self.jobs[0]
        aligned = {job.number: self.structure.align(job.recipe) for job in self.jobs}
        recipe = example(self.structure, [recipe for recipe, _ in aligned.values()])
        network = self.networks.template(first.split)
        self.bare = attach_layers(copy_module(network), recipe)
        self.bare.silence()
        facts = DataStats.of(first.split, recipe)
        self.program = Program(network, recipe, training=first.training, criterion=first.criterion, facts=facts)
        self.members = {
            job.number: Member(
                job.number, job.recipe, job.training, job.seed, job.split,
                RunTracker.of(job.recipe, job.training.metric),
                by_place(self.program.attachment, *aligned[job.number]),
            )
            for job in self.jobs
        }  # fmt: skip
        self.weights = sum(p.numel() for p in self.program.live)
        self.calls, self.lanes, self.at_once = Calls(), 1, 2
        self.by_number = {job.number: job for job in self.jobs}
        self.pool = Pool([job.split for job in self.jobs], bool(recipe.at(Attack)), self.program.live[0].dtype)

    def try_out(self) -> None:
        """Take one step, which is thrown away.

        Raises:
            CannotStackError: something in the network, or in what acts on it, cannot be mapped over members.
        """
        crowd = self._crowd(Calls(), 2)
        entered: list[str] = []
        hooks = [
            module.register_forward_pre_hook(
                lambda m, args, name=name: entered.append(f"'{name or 'network'}' ({type(m).__name__})")
            )
            for name, module in self.program.model.named_modules()
        ]
        try:
            with warnings.catch_warnings():  # torch tells which operations it maps one by one
                warnings.filterwarnings("ignore", message="There is a performance drop")
                crowd.try_out()
                crowd.measure()
        except InputError:
            raise
        except (RuntimeError, NotImplementedError, TypeError, ValueError, AttributeError) as error:
            where = f"at layer {entered[-1]}" if entered else "before its first layer"
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise CannotStackError(f"it cannot be stacked {where}: {reason[:200]}") from error
        finally:
            for hook in hooks:
                hook.remove()
            self.program.source.quiet()

    def prepare(self, forced: bool) -> bool:
        """Measure a few steps, and compile them where that is won back; whether training together pays.

        It does where a member then needs less time for a step than a run by itself. `forced`: it is not asked.

        Raises:
            CannotStackError: as in `try_out`.
        """
        device, width = self.pool.device, self.program.live[0].element_size()
        self.lanes = min(possible() if device.type == "cpu" else 1, len(self.jobs))
        self.at_once = min(at_once(self.weights, width, device, self.lanes), -(-len(self.jobs) // self.lanes))
        if self.at_once * self.lanes < 2 and not forced:
            return False
        with _threads(1 if self.lanes > 1 else torch.get_num_threads()):
            self.calls.threads = int(self.lanes > 1)
            alone = math.inf if forced else self._alone()
            if not alone:
                return False
            self.try_out()
            mapped = self._timed(Calls())
            pays = mapped < alone
            self.calls.ahead = self._ahead([], self.jobs)
            self.calls.caution = 1.0 if pays else CAUTION
            step = mapped * self.at_once * self.lanes
            if self.calls.may_compile(step * self.calls.ahead) and self._compile():
                pays = pays or self._timed(self.calls) < alone
        self.calls.caution = 1.0
        if mapped * sum(_steps(job.training, job.split) for job in self.jobs) < SHORT:
            self.lanes = 1
        return pays

    def _alone(self) -> float:
        """The seconds for a member's step below which training together pays; 0 where it is mostly arithmetic."""
        with torch.random.fork_rng():
            seconds = solo_seconds(self.networks, self.jobs[0])
        bound = products_seconds(self.networks, self.jobs[0]) > BOUND * seconds
        return 0.0 if bound else MARGIN * seconds / self.lanes

    def _timed(self, calls: Calls) -> float:
        """The seconds of a member's step, where every lane is as busy as this one."""
        return timed(self._crowd(calls).try_out) / (self.at_once * self.lanes)

    def _compile(self) -> bool:
        """Take steps until it is decided how further ones are taken; whether they are compiled."""
        crowd = self._crowd(self.calls)
        for _ in range(self.calls.tried):
            crowd.try_out(every=True)
        for _ in range(self.calls.tried):
            crowd.measure()
        return any(form.compiled for form in self.calls.forms.values())

    def _crowd(self, calls: Calls, size: int = 0) -> MemberBatch:
        """Some members, to try something out with."""
        crowd = MemberBatch(self.program, metric(self.jobs[0].training.metric), self.pool, calls)
        members = [self.members[job.number] for job in self.jobs[: size or self.at_once]]
        crowd.join(members, [self._start(member) for member in members])
        return crowd

    def train(self) -> Iterator[tuple[int, Result]]:
        """The results, as the runs end."""
        left = {job.number: job for job in self.jobs}
        try:
            for number, result in self._train(self.jobs, self.lanes):
                del left[number]
                yield number, result
        except WorkerDiedError as error:
            self.at_once = max(1, self.at_once // 2)
            LOG.warning("goodfit: %s; the other runs are trained in one process, fewer at once", error)
            yield from self._train(list(left.values()), 1)

    def _train(self, jobs: Sequence[Job], lanes: int) -> Iterator[tuple[int, Result]]:
        shared = Shared(jobs, lanes)
        alive: dict[int, int] = {}
        for lane, epoch in side_by_side([partial(self._epochs, shared, lanes)] * lanes, shared.stop):
            alive[lane] = epoch.alive
            self.bar.epochs(sum(alive.values()), epoch.steps, epoch.seconds / lanes, epoch.scores)
            for ended in epoch.ended:
                result = self._result(ended, epoch.interrupted)
                member = self.members[ended.number]
                self.bar.run(member.training.epochs - len(member.course.history))
                yield ended.number, result

    def _epochs(self, shared: Shared[Job], lanes: int) -> Iterator[Epoch]:
        """Members come and go, until none is waiting; those under way are given up where it is to stop."""
        self.calls.compiles &= lanes == 1  # torch's compiler has processes of its own, which a copy cannot talk to
        crowd = MemberBatch(self.program, metric(self.jobs[0].training.metric), self.pool, self.calls)
        try:
            while not shared.stop.is_set():
                joining = [self.members[job.number] for job in shared.take(self.at_once - len(crowd.members))]
                if joining:
                    crowd.join(joining, [self._start(member) for member in joining])
                self.calls.ahead = self._ahead(crowd.members, shared.left())
                if not crowd.members:
                    return
                began, alive = now(), len(crowd.members)
                crowd.train_epoch()
                steps = sum(len(member.batches) for member in crowd.members)
                ended = crowd.end_epoch()
                yield Epoch(alive, steps, now() - began, crowd.scores, ended)
        except KeyboardInterrupt:
            yield self._given_up(crowd)
            raise
        yield self._given_up(crowd)

    def _given_up(self, crowd: MemberBatch) -> Epoch:
        ended = crowd.leave(range(len(crowd.members)))
        return Epoch(0, 0, 0.0, [], [end for end in ended if end.epochs], interrupted=True)

    def _ahead(self, members: Sequence[Member], waiting: Sequence[Job]) -> int:
        """Steps that this lane may expect, of as many members as there is room for, if nobody stops early."""
        steps = sum(_steps(m.training, m.split, m.epoch - 1) for m in members)
        return int(steps + sum(_steps(job.training, job.split) for job in waiting) / self.lanes) // self.at_once

    def _start(self, member: Member) -> State:
        """The tensors with which a member begins; the template is given fresh weights, no network is built."""
        self.networks.restart(self.program.model, member.seed)
        return self.program.start({place: acting.technique for place, acting in member.places.items()})

    def _result(self, ended: FinishedMember, interrupted: bool = False) -> Result:
        if ended.failure:
            return TrainingError(ended.failure)
        job, member = self.by_number[ended.number], self.members[ended.number]
        member.course.restore(ended.course)
        network = copy_module(self.bare.model)
        weights = {}
        for name, state in (("best", ended.best), ("last", ended.last)):
            self.program.fill(network, state["weights"], state["buffers"])
            weights[name] = snapshot(network)
        end = TrainingOutcome(member.course, weights["best"], weights["last"], interrupted)
        sample = len(self.pool.sample(member)[0])
        known = facts(job.split, job.criterion, sample, network) | dict(job.known)
        return finished(
            end, network, job.recipe, job.training, job.seed, job.split, job.criterion.name, self.networks.name(), known
        )


def _steps(training: Training, split: Split, epochs: int = 0) -> int:
    """The steps of a run that has so many epochs behind it."""
    return (training.epochs - epochs) * -(-len(split.train) // training.batch_size)


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
