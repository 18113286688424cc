"""Members that are trained together as stacked tensors, step by step and epoch by epoch."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap
from torch.utils._pytree import TreeSpec, tree_map

from goodfit.data import Metric
from goodfit.errors import TrainingError
from goodfit.stages import acts_now
from goodfit.train.population.calls import STEP, CallHints, CallKind, Calls
from goodfit.train.population.context import DrawRequest
from goodfit.train.population.evaluate import PopulationEvaluator, divergences
from goodfit.train.population.graph import Flat, Tree, concatenate, row_of, rows_of, stack, where
from goodfit.train.population.members import Member
from goodfit.train.population.program import Program, State, StepFlags
from goodfit.train.population.rng import PopulationRandom
from goodfit.train.population.step_inputs import RowPool, StepInputs
from goodfit.train.stages.on_epoch import EpochStats, history_row
from goodfit.train.stages.on_eval import AveragingStep

PENALTIES = ("penalties",)


@dataclass
class FinishedMember:
    """A member whose training has ended: the state of its tracker as plain data, and its tensors."""

    number: int
    epochs: int
    tracker: dict[str, Any]
    best: State
    last: State
    failure: str = ""


class MemberBatch:
    """The members of a program that are in training: member i has row i of every tensor."""

    def __init__(self, program: Program, metric: Metric, pool: RowPool, calls: Calls) -> None:
        self.program, self.metric, self.pool, self.calls = program, metric, pool, calls
        self.evaluator = PopulationEvaluator(program, metric, calls)
        self.members: list[Member] = []
        averaging = AveragingStep(updates=program.on_eval is not None)
        self.all_flags = StepFlags((True,) * len(program.on_grads), (True,) * len(program.update.targets), averaging)
        self.flat = Flat.of({})
        self.specs: dict[CallKind, TreeSpec] = {}  # of the inputs of steps
        self.best: State = {}
        self.random = PopulationRandom(pool.device, pool.dtype, program.uniform)

    # ---- joining and leaving -------------------------------------------------------------------

    def join(self, members: Sequence[Member], starts: Sequence[State]) -> None:
        """Add members with their initial tensors."""
        self.flat = Flat.of(concatenate([self.state] * bool(self.members) + [stack(starts)]))
        self.members = [*self.members, *members]
        initial = tree_map(lambda t: t[-len(members) :], self._to_keep())
        self.best = concatenate([self.best] * bool(self.best) + [initial])
        self._update_inputs()

    def leave(self, leaving: Sequence[int]) -> list[FinishedMember]:
        """Remove members by their numbers here."""
        kept = self._to_keep()
        finished = [_finished(self.members[i], row_of(self.best, i), row_of(kept, i)) for i in leaving]
        stay = [i for i in range(len(self.members)) if i not in set(leaving)]
        self.members = [self.members[i] for i in stay]
        rows = torch.tensor(stay, dtype=torch.long, device=self.pool.device)
        self.flat, self.best = self.flat.rows(rows), rows_of(self.best, rows)
        self._update_inputs()
        return finished

    @property
    def state(self) -> State:
        """The members' tensors as the program receives them."""
        state: State = self.flat.tree()
        return state

    def _to_keep(self) -> State:
        state = self.state
        return {"weights": self.program.weights_to_keep(state), "buffers": state["buffers"]}

    def _update_inputs(self) -> None:
        """Stack the inputs that are the same in every step."""
        if self.members:
            self.inputs = StepInputs(self.program, self.pool, self.members)
            self.evaluation_sets = self.pool.evaluation_sets(self.members)

    # ---- an epoch ------------------------------------------------------------------------------

    def train_epoch(self) -> None:
        """Train every member for an epoch."""
        began = time.perf_counter()
        self.inputs.begin_epoch()
        longest = self._longest_epoch()
        self.losses = torch.zeros(longest, len(self.members), dtype=self.pool.dtype, device=self.pool.device)
        everyone = range(len(self.members))
        for number in range(longest):
            if self.inputs.in_lockstep:
                self.losses[number] = self._step(number, everyone, self.members[0].size(), self.all_flags)
                continue
            for (size, flags), chosen in self._groups(number).items():
                self.losses[number, chosen] = self._step(number, chosen, size, flags).to(self.losses.dtype)
        self.flat = self.flat.first(len(self.members))
        for member in self.members:
            member.seconds = (time.perf_counter() - began) / len(self.members)

    def _groups(self, number: int) -> dict[tuple[int, StepFlags], list[int]]:
        """The members that can take batch `number` together: with the same batch size and flags."""
        groups: dict[tuple[int, StepFlags], list[int]] = defaultdict(list)
        if number and not self.inputs.constant:
            self.inputs.begin_step([m for m in self.members if m.size()])
        for i, member in enumerate(self.members):
            if size := member.size():
                groups[size, self._flags(member)].append(i)
        return groups

    def trial_step(self, all_sizes: bool = False) -> None:
        """Take one step, or one for each batch size, with all members whose batch has this size, and discard it."""
        before, self.flat = self.flat, self.flat.clone()  # a step may overwrite it
        for size in dict.fromkeys(self._batches()) if all_sizes else self._batches()[:1]:
            number = self._batches().index(size)
            alike = [i for i, member in enumerate(self.members) if member.batches[number : number + 1] == [size]]
            self._step(number, alike, size, self._flags(self.members[0]))
        self.flat = before

    def _batches(self) -> list[int]:
        """The sizes of a member's batches, at the beginning of its epoch."""
        self.inputs.begin_epoch()
        return self.members[0].batches

    @torch.no_grad()
    def trial_evaluation(self) -> None:
        """Evaluate all members, and discard the result."""
        kept = self._to_keep()
        sets, steps = self.evaluation_sets, self._longest_epoch()
        self.evaluator(kept["weights"], kept["buffers"], len(self.members), sets, steps)
        self._penalties()

    def _longest_epoch(self) -> int:
        return max(len(m.batches) for m in self.members)

    def _flags(self, member: Member) -> StepFlags:
        program = self.program
        if program.uniform:
            return self.all_flags
        grads = tuple(acts_now(t, member.clock) for t in program.on_grads)
        return StepFlags(grads, tuple(member.due.values()), AveragingStep.of(program.on_eval, member.clock))

    def _step(self, number: int, chosen: Sequence[int], size: int, flags: StepFlags) -> Tensor:
        """One step of the chosen members; their losses."""
        all_members = len(chosen) == len(self.members)
        members = self.members if all_members else [self.members[i] for i in chosen]
        rows = None if all_members else torch.tensor(chosen, device=self.pool.device)
        varying = self.inputs.varying(number, size, chosen, rows)
        if (size, flags) not in self.random.requests:
            self.random.requests[size, flags] = self._record_requests(varying, flags, chosen[0])
        varying["draws"] = self.random.draw((size, flags), size, members)
        kind = STEP, size, flags, *self.inputs.kind
        capacity = self.calls.capacity(kind, len(chosen))
        state = (self.flat.first(capacity) if rows is None else self.flat.rows(rows)).padded(capacity)
        step = vmap(partial(self.program.step, flags=flags))
        flat = Flat.of(varying, self.specs.get(kind))
        self.specs[kind] = flat.spec
        arguments = state, self.inputs.fixed_for(rows, capacity), flat.padded(capacity)
        results = self.calls(kind, capacity, step, *arguments, hints=CallHints(constant=1, overwrites=True))
        *leaves, losses = results.leaves
        state = Flat(leaves, state.spec)
        self.flat = state if rows is None else self.flat.put(rows, state.first(len(chosen)))
        for member in members:
            member.step += 1
        return losses[: len(chosen)]

    def _record_requests(self, varying: Tree, flags: StepFlags, number: int) -> list[DrawRequest]:
        """The random numbers that a step requests; also finds the weights without a gradient."""
        one = tree_map(lambda t: t[0], varying) | {"draws": []}
        fixed, state = (row_of(tree, number) for tree in (self.inputs.fixed, self.state))
        context = self.program.context
        context.requests = []
        try:
            with torch.random.fork_rng(), torch.no_grad():
                self.program.step(state, fixed | {"strengths": {}}, one | {"strengths": {}}, flags)
            return context.requests
        finally:
            context.requests = None

    # ---- between epochs ------------------------------------------------------------------------

    @torch.no_grad()
    def end_epoch(self) -> list[FinishedMember]:
        """Evaluate every member, and remove those whose training has ended. Returns the latter."""
        failures: dict[int, str] = {}
        improved, leaving = [], []
        diverged = divergences(self.losses, self.state["weights"], self.program.names, self.members)
        for i, (member, row) in enumerate(zip(self.members, self._history_rows(), strict=True)):
            better = False
            if i in diverged:
                try:
                    member.tracker.diverge(diverged[i])
                except TrainingError as error:
                    failures[i] = str(error)
            else:
                better = member.tracker.record(row)
            improved.append(better)
            if i in diverged or member.tracker.stopped or member.epoch > member.training.epochs:
                leaving.append(i)
        if any(improved):
            self.best = where(torch.tensor(improved, device=self.pool.device), self._to_keep(), self.best)
        if not leaving:
            return []
        finished = self.leave(leaving)
        for i, left in zip(leaving, finished, strict=True):
            left.failure = failures.get(i, "")
        return finished

    def _history_rows(self) -> list[dict[str, float]]:
        """The row of the History of each member."""
        kept, longest = self._to_keep(), self._longest_epoch()
        train, stop = self.evaluator(kept["weights"], kept["buffers"], len(self.members), self.evaluation_sets, longest)
        penalties = self._penalties()
        self.scores = [evaluation.metric for evaluation in stop]
        counts = torch.tensor([len(m.batches) for m in self.members], device=self.pool.device)
        means = (self.losses.sum(0) / counts).tolist()  # the losses after a member's last batch are 0
        stats = [
            EpochStats(
                means[i], {name: values[i] for name, values in penalties.items() if name in member.penalty_columns},
                member.learning_rate, member.seconds,
            )
            for i, member in enumerate(self.members)
        ]  # fmt: skip
        name = self.metric.name
        return [history_row(m.epoch, name, train[i], stop[i], stats[i]) for i, m in enumerate(self.members)]

    def _penalties(self) -> dict[str, list[float]]:
        """The values of the weight penalties by column, for each member."""
        if not self.program.update.has_penalties:
            return {}
        strengths = self.inputs.fixed["strengths"]
        if any(m.scheduled for m in self.members):
            progress = [(m.epoch - 1) / m.training.epochs for m in self.members]
            sites = [site for site in strengths if site.stage == "weights"]
            strengths = {site: self.inputs.strengths(site, self.members, progress) for site in sites}
        arguments = [Flat.of(self.state["weights"]), Flat.of(strengths)]
        capacity = self.calls.capacity(PENALTIES, len(self.members))
        hints = CallHints(constant=1, per_step=1 / self._longest_epoch())
        padded = (flat.padded(capacity) for flat in arguments)
        columns = self.calls(PENALTIES, capacity, vmap(self.program.penalties), *padded, hints=hints).tree()
        return {name: values[: len(self.members)].tolist() for name, values in columns.items()}


def _finished(member: Member, best: State, last: State) -> FinishedMember:
    return FinishedMember(member.number, len(member.tracker.history), member.tracker.state(), best, last)
