"""Populations from jobs: who is trained with whom, in which numbers, and what becomes of the others."""

from __future__ import annotations

import math
import threading
import warnings
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch

from goodfit.data import metric
from goodfit.errors import InputError, TrainingError
from goodfit.stages import Attack
from goodfit.surgery import copied
from goodfit.train.attach import attach_layers
from goodfit.train.course import Course
from goodfit.train.fitting import Finish, facts, finished
from goodfit.train.population.apart import Result
from goodfit.train.population.bar import ManyBar, now
from goodfit.train.population.crowd import Crowd, Ended
from goodfit.train.population.data import Pool
from goodfit.train.population.jobs import Job, Networks
from goodfit.train.population.lanes import side_by_side
from goodfit.train.population.member import Member
from goodfit.train.population.places import by_place
from goodfit.train.population.program import Program, State
from goodfit.train.population.sizes import at_once, solo_seconds, timed
from goodfit.train.population.structure import Structure, example
from goodfit.train.population.tracing import Calls
from goodfit.train.run import snapshot

MARGIN = 0.8
"""Share of a solo step's time that a member may take: the gain must be more than the noise of the measurement."""
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
    ended: list[Ended]
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
        spec = first.split.spec
        classes = len(spec.classes) if spec.task == "classification" else 0
        network = self.networks.template(first.split)
        self.bare = attach_layers(copied(network), recipe)
        self.bare.silence()
        self.made = partial(Program, recipe=recipe, training=first.training, criterion=first.criterion, classes=classes)
        self.network, self.program = network, self.made(copied(network))
        self.members = {
            job.number: Member(
                job.number, job.recipe, job.training, job.seed, job.split, Course.of(job.recipe, job.training.metric),
                by_place(self.program.attachment, *aligned[job.number]),
            )
            for job in self.jobs
        }  # fmt: skip
        self.weights = sum(p.numel() for p in self.program.live)
        self.at_once = at_once(self.weights, self.program.live[0].element_size(), first.split.train.x.device)
        self.calls, self.lanes = Calls(), 1
        self.alive: dict[int, int] = {}
        self.by_number = {job.number: job for job in self.jobs}
        self.pool = Pool([job.split for job in self.jobs], bool(recipe.at(Attack)), self.program.live[0].dtype)

    def try_out(self) -> None:
        """Take one step, which is thrown away.

        Raises:
            CannotStackError: something in the network, or in what acts on it, cannot be mapped over members.
        """
        crowd = self._crowd(2, Calls())
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
        """
        count = min(self.at_once, len(self.jobs))
        if count < 2 and not forced:
            return False
        mapped = timed(self._crowd(count, Calls()).try_out)
        alone = math.inf
        if not forced:
            with torch.random.fork_rng():
                alone = MARGIN * solo_seconds(self.networks, self.jobs[0])
        self.calls.ahead = self._ahead([], self.jobs)
        self.calls.caution = 1.0 if mapped / count < alone else CAUTION
        if self.calls.may_compile(mapped * self.calls.ahead) and self._compile() and mapped / count >= alone:
            crowd = self._crowd(self.at_once, self.calls)
            mapped, count = timed(crowd.try_out), len(crowd.members)
        self.calls.caution = 1.0
        return mapped / count < alone

    def _compile(self) -> bool:
        """Take steps until it is decided how further ones are taken; whether they are compiled.

        If so, the members are shared out among as many threads as torch uses, each of which computes on one core.
        """
        before, lanes = self.at_once, torch.get_num_threads() if self.pool.device.type == "cpu" else 1
        self.at_once, self.calls.threads = max(1, min(before, -(-len(self.jobs) // lanes))), int(lanes > 1)
        crowd = self._crowd(self.at_once, self.calls)
        for _ in range(self.calls.tried):
            crowd.try_out()
        if any(form.compiled for form in self.calls.forms.values()):
            self.lanes = lanes
            return True
        self.at_once, self.calls = before, Calls()
        return False

    def _crowd(self, size: int, calls: Calls) -> Crowd:
        """Some members, to try something out with."""
        crowd = Crowd(self.program, metric(self.jobs[0].training.metric), self.pool, calls)
        members = [self.members[job.number] for job in self.jobs[:size]]
        crowd.join(members, [self._start(self.program, member) for member in members])
        return crowd

    def train(self) -> Iterator[tuple[int, Result]]:
        """The results, as the runs end."""
        waiting, stop = deque(self.jobs), threading.Event()
        programs = [self.program, *(self.made(copied(self.network)) for _ in range(self.lanes - 1))]
        epochs = side_by_side([partial(self._epochs, program, waiting, stop) for program in programs], stop)
        for lane, epoch in epochs:
            self.alive[lane] = epoch.alive
            self.bar.epochs(sum(self.alive.values()), epoch.steps, epoch.seconds / len(programs), epoch.scores)
            for ended in epoch.ended:
                self.bar.run(ended.member.training.epochs - len(ended.member.course.history))
                yield ended.member.number, self._result(ended, epoch.interrupted)

    def _epochs(self, program: Program, waiting: deque[Job], stop: threading.Event) -> Iterator[Epoch]:
        """Members come and go, until none is waiting; those under way are given up where it is to stop."""
        crowd = Crowd(program, metric(self.jobs[0].training.metric), self.pool, self.calls)
        try:
            while not stop.is_set():
                with self.calls.turn:
                    free = min(self.at_once - len(crowd.members), len(waiting))
                    joining = [self.members[waiting.popleft().number] for _ in range(free)]
                    if joining:
                        crowd.join(joining, [self._start(program, member) for member in joining])
                    self.calls.ahead = self._ahead(crowd.members, waiting)
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

    def _given_up(self, crowd: Crowd) -> Epoch:
        ended = crowd.leave(range(len(crowd.members)))
        return Epoch(0, 0, 0.0, [], [end for end in ended if len(end.member.course.history)], interrupted=True)

    def _ahead(self, members: Sequence[Member], waiting: Iterable[Job]) -> int:
        """Steps that are still to be expected, of as many members as there is room for, if nobody stops early."""
        jobs = [(m.training, m.split, m.epoch - 1) for m in members]
        jobs += [(job.training, job.split, 0) for job in waiting]
        steps = [(t.epochs - done) * -(-len(split.train) // t.batch_size) for t, split, done in jobs]
        return sum(steps) // self.at_once

    def _start(self, program: Program, member: Member) -> State:
        """The tensors with which a member begins; the template is given fresh weights, no network is built."""
        self.networks.restart(program.model, member.seed)
        return program.start({place: acting.technique for place, acting in member.places.items()})

    def _result(self, ended: Ended, interrupted: bool = False) -> Result:
        member = ended.member
        if ended.failure:
            return TrainingError(ended.failure)
        job = self.by_number[member.number]
        network = copied(self.bare.model)
        weights = {}
        for name, state in (("best", ended.best), ("last", ended.last)):
            self.program.fill(network, state["weights"], state["buffers"])
            weights[name] = snapshot(network)
        end = Finish(member.course, weights["best"], weights["last"], interrupted)
        sample = len(self.pool.sample(member)[0])
        known = facts(job.split, job.criterion, sample, network) | dict(job.known)
        return finished(
            end, network, job.recipe, job.training, job.seed, job.split, job.criterion.name, self.networks.name(), known
        )
