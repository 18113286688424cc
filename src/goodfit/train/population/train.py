"""Populations from jobs: who is trained with whom, in which numbers, and what becomes of the others."""

from __future__ import annotations

import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
from goodfit.train.population.member import Member
from goodfit.train.population.places import by_place
from goodfit.train.population.program import Program, State
from goodfit.train.population.sizes import at_once, solo_seconds, timed
from goodfit.train.population.structure import Structure, example
from goodfit.train.population.tracing import TRIED, Calls
from goodfit.train.run import snapshot

MARGIN = 0.8
"""Share of a solo step's time that a member may take: the gain must be more than the noise of the measurement."""
CAUTION = 3.0
"""Where only compiling would make it pay: how many times over the time that it takes must be expected back."""


class CannotStackError(Exception):
    """A network, or what a recipe does in it, has no stacked form; says where."""


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
        self.program = Program(network, recipe, first.training, first.criterion, classes)
        self.members = {
            job.number: Member(
                job.number, job.recipe, job.training, job.seed, job.split, Course.of(job.recipe, job.training.metric),
                by_place(self.program.attachment, *aligned[job.number]),
            )
            for job in self.jobs
        }  # fmt: skip
        self.weights = sum(p.numel() for p in self.program.live)
        self.at_once = at_once(self.weights, self.program.live[0].element_size(), first.split.train.x.device)
        self.calls = Calls()
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

    def pays(self) -> bool:
        """Whether members that are trained together need less time than one after another: a few steps tell."""
        if min(self.at_once, len(self.jobs)) < 2:
            return False
        with torch.random.fork_rng():
            alone = MARGIN * solo_seconds(self.networks, self.jobs[0])
        crowd = self._crowd(self.at_once, Calls())
        if timed(crowd.try_out) / len(crowd.members) < alone:
            return True
        self.calls = Calls()  # compiled, it may
        self.calls.ahead, self.calls.tried, self.calls.caution = self._ahead([], self.jobs), 2, CAUTION
        crowd = self._crowd(self.at_once, self.calls)
        for _ in range(self.calls.tried):
            crowd.try_out()
        found = timed(crowd.try_out) / len(crowd.members)
        self.calls.tried, self.calls.caution = TRIED, 1.0
        return found < alone

    def _crowd(self, size: int, calls: Calls) -> Crowd:
        """Some members, to try something out with."""
        crowd = Crowd(self.program, metric(self.jobs[0].training.metric), self.pool, calls)
        members = [self.members[job.number] for job in self.jobs[:size]]
        crowd.join(members, [self._start(member) for member in members])
        return crowd

    def train(self) -> Iterator[tuple[int, Result]]:
        """The results, as the runs end."""
        crowd = Crowd(self.program, metric(self.jobs[0].training.metric), self.pool, self.calls)
        waiting = deque(self.jobs)
        try:
            while waiting or crowd.members:
                free = min(self.at_once - len(crowd.members), len(waiting))
                if free:
                    joining = [self.members[waiting.popleft().number] for _ in range(free)]
                    crowd.join(joining, [self._start(member) for member in joining])
                self.calls.ahead = self._ahead(crowd.members, waiting)
                began, alive = now(), len(crowd.members)
                crowd.train_epoch()
                steps = sum(len(member.batches) for member in crowd.members)
                ends = crowd.end_epoch()
                self.bar.epochs(alive, steps, now() - began, crowd.scores)
                for ended in ends:
                    self.bar.run(ended.member.training.epochs - len(ended.member.course.history))
                    yield ended.member.number, self._result(ended)
        except KeyboardInterrupt:
            for ended in crowd.leave(range(len(crowd.members))):
                if len(ended.member.course.history):
                    yield ended.member.number, self._result(ended, interrupted=True)
            raise

    def _ahead(self, members: Sequence[Member], waiting: Sequence[Job]) -> int:
        """Calls of the program that are still to be expected, if nobody stops early."""
        jobs = [(m.training, m.split, m.epoch - 1) for m in members]
        jobs += [(job.training, job.split, 0) for job in waiting]
        steps = [(t.epochs - done) * -(-len(split.train) // t.batch_size) for t, split, done in jobs]
        return sum(steps) // self.at_once

    def _start(self, member: Member) -> State:
        """The tensors with which a member begins; the template is given fresh weights, no network is built."""
        self.networks.restart(self.program.model, member.seed)
        return self.program.start({place: acting.technique for place, acting in member.places.items()})

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
