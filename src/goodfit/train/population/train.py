"""Populations from jobs: who is trained with whom, in which numbers, and what becomes of the others."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from goodfit.data import metric
from goodfit.errors import TrainingError
from goodfit.recipe import Recipe
from goodfit.stages import Attack
from goodfit.surgery import copied
from goodfit.train.attach import attach_layers
from goodfit.train.course import Course
from goodfit.train.fitting import Finish, facts, finished
from goodfit.train.population.crowd import Crowd, Ended
from goodfit.train.population.data import Pool
from goodfit.train.population.jobs import Job, Networks
from goodfit.train.population.member import Member
from goodfit.train.population.places import by_place
from goodfit.train.population.program import Program, State
from goodfit.train.population.structure import Structure, example
from goodfit.train.population.tracing import Calls
from goodfit.train.run import Run, snapshot

Result = Run | TrainingError


@dataclass
class Population:
    """The jobs of one structure: a few at a time are trained together, and others follow as those end."""

    networks: Networks
    structure: Structure
    jobs: Sequence[Job]
    at_once: int
    told: Callable[[Crowd], None] = lambda crowd: None
    starts: dict[int, nn.Module] = field(default_factory=dict)

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
        self.pool = Pool([job.split for job in self.jobs], bool(recipe.at(Attack)), self.program.live[0].dtype)

    def train(self) -> Iterator[tuple[int, Result]]:
        """The results, as the runs end."""
        crowd = Crowd(self.program, metric(self.jobs[0].training.metric), self.pool, Calls())
        waiting = deque(self.jobs)
        try:
            while waiting or crowd.members:
                free = min(self.at_once - len(crowd.members), len(waiting))
                if free:
                    joining = [self.members[waiting.popleft().number] for _ in range(free)]
                    crowd.join(joining, [self._start(member) for member in joining])
                crowd.train_epoch()
                for ended in crowd.end_epoch():
                    yield ended.member.number, self._result(ended)
                self.told(crowd)
        except KeyboardInterrupt:
            for ended in crowd.leave(range(len(crowd.members))):
                yield ended.member.number, self._result(ended, interrupted=True)
            raise

    def _start(self, member: Member) -> State:
        """The tensors with which a member begins; the template is given fresh weights, no network is built."""
        self.networks.restart(self.program.model, member.seed)
        return self.program.start({place: acting.technique for place, acting in member.places.items()})

    def _result(self, ended: Ended, interrupted: bool = False) -> Result:
        member = ended.member
        if ended.failure:
            return TrainingError(ended.failure)
        if not len(member.course.history):
            return TrainingError("training: interrupted by the user before the end of the first epoch.")
        job = next(job for job in self.jobs if job.number == member.number)
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
