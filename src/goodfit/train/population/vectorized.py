"""Members that are trained together: their stacked tensors, step by step and epoch by epoch."""

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
from goodfit.stages import ResettingAverage, acts_now
from goodfit.train.population.calls import STEP, CallHints, Calls, Kind
from goodfit.train.population.context import Drawing
from goodfit.train.population.evaluate import PopulationEvaluator, lost_ones
from goodfit.train.population.members import Member
from goodfit.train.population.program import Program, State, StepFlags
from goodfit.train.population.pytree import Flat, Tree, chosen, joined, row_of, rows_of, stacked
from goodfit.train.population.rng import Noise
from goodfit.train.population.row_pool import Pool
from goodfit.train.population.step_inputs import StepInputs

PENALTIES = ("penalties",)


@dataclass
class FinishedMember:
    """A member that has ended: what its course was, in plain data, and its tensors."""

    number: int
    epochs: int
    course: dict[str, Any]
    best: State
    last: State
    failure: str = ""


class MemberBatch:
    """The members of a program that are alive: number i has row i of every tensor."""

    def __init__(self, program: Program, metric: Metric, pool: Pool, calls: Calls) -> None:
        self.program, self.metric, self.pool, self.calls = program, metric, pool, calls
        self.measuring = PopulationEvaluator(program, metric, calls)
        self.members: list[Member] = []
        self.always = StepFlags(
            (True,) * len(program.on_grads), (True,) * len(program.update.chosen), bool(program.on_eval)
        )
        self.flat = Flat.of({})
        self.specs: dict[Kind, TreeSpec] = {}  # of what a step is given
        self.best: State = {}
        self.noise = Noise(pool.device, pool.dtype, program.timeless)

    # ---- who is in it --------------------------------------------------------------------------

    def join(self, members: Sequence[Member], starts: Sequence[State]) -> None:
        """Take members in, with the tensors that they begin with."""
        self.flat = Flat.of(joined([self.state] * bool(self.members) + [stacked(starts)]))
        self.members = [*self.members, *members]
        fresh = tree_map(lambda t: t[-len(members) :], self._kept())
        self.best = joined([self.best] * bool(self.best) + [fresh])
        self._gather()

    def leave(self, gone: Sequence[int]) -> list[FinishedMember]:
        """Let members go, by their numbers here; what they leave."""
        kept = self._kept()
        left = [_ended(self.members[i], row_of(self.best, i), row_of(kept, i)) for i in gone]
        stay = [i for i in range(len(self.members)) if i not in set(gone)]
        self.members = [self.members[i] for i in stay]
        rows = torch.tensor(stay, dtype=torch.long, device=self.pool.device)
        self.flat, self.best = self.flat.rows(rows), rows_of(self.best, rows)
        self._gather()
        return left

    @property
    def state(self) -> State:
        """The members' tensors as the program knows them."""
        state: State = self.flat.tree()
        return state

    def _kept(self) -> State:
        state = self.state
        return {"weights": self.program.kept(state), "buffers": state["buffers"]}

    def _gather(self) -> None:
        """What is the same in every step, stacked."""
        if self.members:
            self.given = StepInputs(self.program, self.pool, self.members)
            self.sets = self.pool.sets(self.members)

    # ---- an epoch ------------------------------------------------------------------------------

    def train_epoch(self) -> None:
        """An epoch of every member."""
        began = time.perf_counter()
        self.given.begin_epoch()
        longest = self._longest()
        self.losses = torch.zeros(longest, len(self.members), dtype=self.pool.dtype, device=self.pool.device)
        everyone = range(len(self.members))
        for number in range(longest):
            if self.given.even:
                self.losses[number] = self._step(number, everyone, self.members[0].size(), self.always)
                continue
            for (size, moment), who in self._together(number).items():
                self.losses[number, who] = self._step(number, who, size, moment).to(self.losses.dtype)
        self.flat = self.flat.first(len(self.members))
        for member in self.members:
            member.seconds = (time.perf_counter() - began) / len(self.members)

    def _together(self, number: int) -> dict[tuple[int, StepFlags], list[int]]:
        """The members that take their next step together."""
        together: dict[tuple[int, StepFlags], list[int]] = defaultdict(list)
        if number and not self.given.quiet:
            self.given.come([m for m in self.members if m.size()])
        for i, member in enumerate(self.members):
            if size := member.size():
                together[size, self._moment(member)].append(i)
        return together

    def try_out(self, every: bool = False) -> None:
        """One step of all members whose first batches are alike, or one for `every` size of batch; it is not kept."""
        before, self.flat = self.flat, self.flat.copied()  # a step may overwrite it
        for size in dict.fromkeys(self._batches()) if every else self._batches()[:1]:
            number = self._batches().index(size)
            alike = [i for i, member in enumerate(self.members) if member.batches[number : number + 1] == [size]]
            self._step(number, alike, size, self._moment(self.members[0]))
        self.flat = before

    def _batches(self) -> list[int]:
        """The sizes of a member's batches, at the beginning of its epoch."""
        self.given.begin_epoch()
        return self.members[0].batches

    @torch.no_grad()
    def measure(self) -> None:
        """An evaluation, which is not kept either."""
        self.measuring(
            self.program.kept(self.state), self.state["buffers"], len(self.members), self.sets, self._longest()
        )
        self._penalties()

    def _longest(self) -> int:
        return max(len(m.batches) for m in self.members)

    def _moment(self, member: Member) -> StepFlags:
        program = self.program
        if program.timeless:
            return self.always
        on_eval, clock = program.on_eval, member.now
        return StepFlags(
            tuple(acts_now(t, clock) for t in program.on_grads),
            tuple(member.due.values()),
            bool(on_eval and acts_now(on_eval, clock)),
            isinstance(on_eval, ResettingAverage) and on_eval.resets(clock),
        )

    def _step(self, number: int, who: Sequence[int], size: int, moment: StepFlags) -> Tensor:
        """One step of some of the members; their losses."""
        everyone = len(who) == len(self.members)
        members = self.members if everyone else [self.members[i] for i in who]
        rows = None if everyone else torch.tensor(who, device=self.pool.device)
        moving = self.given.moving(number, size, who, rows)
        if (size, moment) not in self.noise.tapes:
            self.noise.tapes[size, moment] = self._try_out(moving, moment, who[0])
        moving["draws"] = self.noise.draw((size, moment), size, members)
        kind = STEP, size, moment, *self.given.kind
        room = self.calls.room(kind, len(who))
        state = (self.flat.first(room) if rows is None else self.flat.rows(rows)).filled(room)
        step = vmap(partial(self.program.step, moment=moment))
        moved = Flat.of(moving, self.specs.get(kind))
        self.specs[kind] = moved.spec
        given = state, self.given.fixed_of(rows, room), moved.filled(room)
        made = self.calls(kind, room, step, *given, way=CallHints(still=1, renewed=True))
        *leaves, losses = made.leaves
        state = Flat(leaves, state.spec)
        self.flat = state if rows is None else self.flat.put(rows, state.first(len(who)))
        for member in members:
            member.step += 1
        return losses[: len(who)]

    def _try_out(self, moving: Tree, moment: StepFlags, number: int) -> list[Drawing]:
        """What random numbers a step asks for, and which weights no gradient reaches."""
        one = tree_map(lambda t: t[0], moving) | {"draws": []}
        fixed, state = (row_of(tree, number) for tree in (self.given.fixed, self.state))
        source = self.program.source
        source.noted = []
        try:
            with torch.random.fork_rng(), torch.no_grad():
                self.program.step(state, fixed | {"strengths": {}}, one | {"strengths": {}}, moment)
            return source.noted
        finally:
            source.noted = None

    # ---- between epochs ------------------------------------------------------------------------

    @torch.no_grad()
    def end_epoch(self) -> list[FinishedMember]:
        """Measure every member, and let those go that have ended."""
        failures: dict[int, str] = {}
        improved, gone = [], []
        lost = lost_ones(self.losses, self.state["weights"], self.program.names, self.members)
        for i, (member, row) in enumerate(zip(self.members, self._rows(), strict=True)):
            better = False
            if i in lost:
                try:
                    member.course.break_off(lost[i])
                except TrainingError as error:
                    failures[i] = str(error)
            else:
                better = member.course.tell(row)
            improved.append(better)
            if i in lost or member.course.stopped or member.epoch > member.training.epochs:
                gone.append(i)
        if any(improved):
            self.best = chosen(torch.tensor(improved, device=self.pool.device), self._kept(), self.best)
        if not gone:
            return []
        ended = self.leave(gone)
        for i, end in zip(gone, ended, strict=True):
            end.failure = failures.get(i, "")
        return ended

    def _rows(self) -> list[dict[str, float]]:
        """A row of the History for each member."""
        weights, buffers, name = self.program.kept(self.state), self.state["buffers"], self.metric.name
        train, stop = self.measuring(weights, buffers, len(self.members), self.sets, self._longest())
        penalties = self._penalties()
        self.scores = stop[2]
        counts = torch.tensor([len(m.batches) for m in self.members], device=self.pool.device)
        means = (self.losses.sum(0) / counts).tolist()  # behind a member's batches are zeros
        return [
            {
                "epoch": member.epoch, "train_loss": train[0][i], "train_loss_se": train[1][i],
                "stop_loss": stop[0][i], "stop_loss_se": stop[1][i], f"train_{name}": train[2][i],
                f"stop_{name}": stop[2][i], "batch_loss": means[i],
                **{column: values[i] for column, values in penalties.items() if column in member.columns},
                "learning_rate": member.rate_now, "seconds": member.seconds,
            }
            for i, member in enumerate(self.members)
        ]  # fmt: skip

    def _penalties(self) -> dict[str, list[float]]:
        if not self.program.update.penalties:
            return {}
        strengths = self.given.fixed["strengths"]
        if any(m.scheduled for m in self.members):
            done = [(m.epoch - 1) / m.training.epochs for m in self.members]
            places = [p for p in strengths if p.startswith("weights ")]
            strengths = {p: self.given.strengths(p, self.members, done) for p in places}
        given = [Flat.of(self.state["weights"]), Flat.of(strengths)]
        room = self.calls.room(PENALTIES, len(self.members))
        way, function = CallHints(still=1, often=1 / self._longest()), vmap(self.program.penalties)
        found = self.calls(PENALTIES, room, function, *(flat.filled(room) for flat in given), way=way).tree()
        return {column: values[: len(self.members)].tolist() for column, values in found.items()}


def _ended(member: Member, best: State, last: State) -> FinishedMember:
    return FinishedMember(member.number, len(member.course.history), member.course.facts(), best, last)
