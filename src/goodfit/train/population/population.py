"""A population: its program and members, how many are trained at the same time, and whether that is faster."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from goodfit.data import Split, metric
from goodfit.errors import InputError, first_line
from goodfit.kernels.mode import fast_linear
from goodfit.memory import free_memory
from goodfit.rng import generator
from goodfit.stages import Attack, Clock
from goodfit.surgery import copy_module, set_train_mode
from goodfit.train.config import Training
from goodfit.train.population.calls import Calls
from goodfit.train.population.context import techniques_by_site
from goodfit.train.population.grouping import Structure, template_recipe
from goodfit.train.population.jobs import Job, Networks
from goodfit.train.population.members import Member
from goodfit.train.population.program import Program, State
from goodfit.train.population.step_inputs import RowPool
from goodfit.train.population.vectorized import MemberBatch
from goodfit.train.population.workers import available_workers, using_threads
from goodfit.train.prepare import describe_recipe
from goodfit.train.stages.on_batch import DataStats
from goodfit.train.stages.on_epoch import RunTracker
from goodfit.train.stages.on_model import attach_layers
from goodfit.train.trainer import Trainer

MAX_MEMBERS = 32
"""Members that are trained at the same time, at most: with more, the time per member does not decrease."""
CACHED_WEIGHTS = 1_000_000
"""Weights of all members that stay in a CPU's cache between the operations of a step."""
MATRIX_SIZE = 384
"""Size of the square matrices whose product measures the machine's speed, in a few milliseconds."""
BYTES_PER_WEIGHT = 24
"""For float32: weight, gradient, Adam's two moments, best weight so far, and next weight."""
MEMORY_SHARE = 0.25
"""Share of the free memory for the members' tensors; activations and data need memory, too."""


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


@dataclass
class Population:
    """The jobs of one structure, their program and members."""

    networks: Networks
    structure: Structure
    jobs: Sequence[Job]

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
        self.calls, self.workers, self.members_at_once = Calls(), 1, 2  # members_at_once: of one worker
        self.by_number = {job.number: job for job in self.jobs}
        self._descriptions: dict[int, dict[str, Any]] = {}  # by id of the plan
        dtype = self.program.parameters[0].dtype
        self.pool = RowPool([job.split for job in self.jobs], bool(recipe.at(Attack)), dtype)

    def description(self, job: Job) -> dict[str, Any]:
        """Where the techniques of a job act, and its warnings; see `describe_recipe`."""
        if id(job.plan) not in self._descriptions:
            self._descriptions[id(job.plan)] = describe_recipe(self.networks.template(job.split), job.plan)
        return self._descriptions[id(job.plan)]

    def empty_batch(self, calls: Calls) -> MemberBatch:
        """A batch without members."""
        return MemberBatch(self.program, metric(self.jobs[0].plan.training.metric), self.pool, calls)

    def join(self, batch: MemberBatch, jobs: Sequence[Job]) -> None:
        """Add the members of jobs, with their initial tensors, to a batch."""
        members = [self.members[job.number] for job in jobs]
        batch.join(members, [self._start(member) for member in members])

    def _start(self, member: Member) -> State:
        """The initial tensors of a member; the template gets new weights instead of building a network."""
        self.networks.reset(self.program.model, member.seed)
        return self.program.start(member.techniques)

    def expected_steps(self, members: Sequence[Member], waiting: Sequence[Job]) -> int:
        """The steps of a full batch of members that this worker will take if no run stops early."""
        steps = sum(steps_left(m.training, m.split, m.epoch - 1) for m in members)
        share = sum(steps_left(job.plan.training, job.split) for job in waiting) / self.workers
        return int(steps + share) // self.members_at_once

    # ---- whether it is possible and pays -------------------------------------------------------

    def try_step(self) -> None:
        """Take one step and one evaluation, and discard them.

        Raises:
            CannotStackError: an operation of the network or of a technique cannot be mapped over members.
        """
        batch = self._trial_batch(Calls(), 2)
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
            reason = first_line(error)
            raise CannotStackError(f"it cannot be stacked {where}: {reason[:200]}") from error
        finally:
            for hook in hooks:
                hook.remove()
            self.program.context.reset()

    def prepare(self, forced: bool) -> bool:
        """Time a few steps, and compile them if that saves time. Returns whether this is faster than solo runs.

        It is faster if a member's step takes less time than a step of the solo trainer. `forced`: train it in any case.

        Raises:
            CannotStackError: as in `try_step`.
        """
        device, width = self.pool.device, self.program.parameters[0].element_size()
        self.workers = min(available_workers() if device.type == "cpu" else 1, len(self.jobs))
        capacity = max_members(self.n_weights, width, device, self.workers)
        self.members_at_once = min(capacity, -(-len(self.jobs) // self.workers))
        if self.members_at_once * self.workers < 2 and not forced:
            return False
        with using_threads(1) if self.workers > 1 else nullcontext():
            self.calls.threads = int(self.workers > 1)
            limit = math.inf if forced else self._time_limit()
            if not limit:
                return False
            self.try_step()
            mapped = self._member_seconds(Calls())
            pays = mapped < limit
            self.calls.expected_steps = self.expected_steps([], self.jobs)
            self.calls.required_gain = 1.0 if pays else COMPILE_GAIN
            step = mapped * self.members_at_once * self.workers
            if self.calls.worth_compiling(step * self.calls.expected_steps) and self._compile():
                pays = pays or self._member_seconds(self.calls) < limit
        self.calls.required_gain = 1.0
        if mapped * sum(steps_left(job.plan.training, job.split) for job in self.jobs) < SHORT_SECONDS:
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
        return median_seconds(self._trial_batch(calls).trial_step) / (self.members_at_once * self.workers)

    def _compile(self) -> bool:
        """Take steps until it is decided whether further ones are compiled; whether any are."""
        batch = self._trial_batch(self.calls)
        for _ in range(self.calls.timed):
            batch.trial_step(all_sizes=True)
        for _ in range(self.calls.timed):
            batch.trial_evaluation()
        return any(record.compiled for record in self.calls.records.values())

    def _trial_batch(self, calls: Calls, size: int = 0) -> MemberBatch:
        """Some members for a trial."""
        batch = self.empty_batch(calls)
        self.join(batch, self.jobs[: size or self.members_at_once])
        return batch


def steps_left(training: Training, split: Split, epochs: int = 0) -> int:
    """The steps that are left after this number of epochs."""
    return (training.epochs - epochs) * -(-len(split.train) // training.batch_size)


def max_members(weights: int, width: int, device: torch.device, workers: int = 1) -> int:
    """The number of members with this many weights, of `width` bytes each, that one of several workers can train.

    >>> max_members(5_000, 4, torch.device("cpu"))
    32
    """
    fitting = int(MEMORY_SHARE * free_memory(device)) // (max(1, weights * BYTES_PER_WEIGHT * width // 4) * workers)
    cached = max(4, CACHED_WEIGHTS // max(1, weights)) if device.type == "cpu" else MAX_MEMBERS
    return max(1, min(MAX_MEMBERS, fitting, cached))


def solo_seconds(networks: Networks, job: Job) -> float:
    """Seconds that a step of the solo trainer takes."""
    trainer = Trainer(networks.template(job.split), job.plan, job.split, job.seed)
    train = job.split.train
    rows = torch.arange(min(job.plan.training.batch_size, len(train)), device=train.x.device)
    noise = generator(job.seed, 1, "noise", train.x.device)
    set_train_mode(trainer.model)
    with fast_linear(trainer.model, train.x, job.plan.training.rows_at_once):
        return median_seconds(lambda: trainer.step(train.x[rows], train.y[rows], Clock(1, 1, 1), noise))


def arithmetic_seconds(networks: Networks, job: Job) -> float:
    """Seconds that the arithmetic of a step takes at the speed of a large product; convolutions at a third of it."""
    x, network = job.split.train.x, networks.template(job.split)
    square = torch.ones(MATRIX_SIZE, MATRIX_SIZE, device=x.device)
    per_second = 2 * MATRIX_SIZE**3 / median_seconds(lambda: square @ square)
    return 3 * operations(network, x[: job.plan.training.batch_size]) / per_second


def operations(network: nn.Module, x: Tensor) -> int:
    """Floating-point operations of a forward pass over rows x (batch, …); those of convolutions count three times.

    >>> operations(nn.Linear(10, 5), torch.zeros(4, 10)), operations(nn.Conv1d(1, 2, 3), torch.zeros(4, 1, 10))
    (400, 1152)
    """
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        copy_module(network).eval()(x)
    counts = counter.get_flop_counts().get("Global", {})
    counted: int = sum(3 * n if "conv" in str(operation) else n for operation, n in counts.items())
    return max(counted, 2 * len(x) * sum(p.numel() for p in network.parameters() if p.ndim > 1 and counted == 0))


def median_seconds(call: Callable[[], object], repeats: int = 3) -> float:
    """The median time of a few calls; the first one is not counted."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - began)
    return median(seconds[1:])
