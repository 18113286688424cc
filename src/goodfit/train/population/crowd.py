"""Members that are trained together: their stacked tensors, step by step and epoch by epoch."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap
from torch.utils._pytree import tree_map

from goodfit.data import Metric
from goodfit.errors import TrainingError
from goodfit.stages import Pulling
from goodfit.train.course import broken, lost
from goodfit.train.population.data import Pool
from goodfit.train.population.member import Member
from goodfit.train.population.noise import Noise
from goodfit.train.population.program import Moment, Program, State
from goodfit.train.population.source import Drawing
from goodfit.train.population.structure import floats
from goodfit.train.population.tracing import Calls


@dataclass
class Ended:
    """A member that has ended, with its tensors."""

    member: Member
    best: State
    last: State
    failure: str = ""


class Crowd:
    """The members of a program that are alive: number i has row i of every tensor."""

    def __init__(self, program: Program, metric: Metric, pool: Pool, calls: Calls) -> None:
        self.program, self.metric, self.pool, self.calls = program, metric, pool, calls
        self.members: list[Member] = []
        self.always = Moment(
            (True,) * len(program.on_grads), (True,) * len(program.update.chosen), bool(program.on_eval)
        )
        self.state: State = {}
        self.best: State = {}
        self.noise = Noise(pool.device, pool.dtype, program.timeless)

    # ---- who is in it --------------------------------------------------------------------------

    def join(self, members: Sequence[Member], starts: Sequence[State]) -> None:
        """Take members in, with the tensors that they begin with."""
        self.state = _together([self.state] * bool(self.members) + [_stacked(starts)])
        self.members += members
        kept = {"weights": self.program.kept(self.state), "buffers": self.state["buffers"]}
        fresh = tree_map(lambda t: t[-len(members) :], kept)
        self.best = _together([self.best] * bool(self.best) + [fresh])
        self._gather()

    def leave(self, gone: Sequence[int]) -> list[Ended]:
        """Let members go, by their numbers here; what they leave."""
        kept = {"weights": self.program.kept(self.state), "buffers": self.state["buffers"]}
        left = [Ended(self.members[i], _row(self.best, i), _row(kept, i)) for i in gone]
        stay = [i for i in range(len(self.members)) if i not in set(gone)]
        self.members = [self.members[i] for i in stay]
        rows = torch.tensor(stay, dtype=torch.long, device=self.pool.device)
        self.state, self.best = _rows(self.state, rows), _rows(self.best, rows)
        self._gather()
        return left

    def _gather(self) -> None:
        """What is the same in every step, stacked."""
        self.fixed = self._numbers(range(len(self.members)))
        self.sets = self.pool.sets(self.members)

    def _numbers(self, who: Sequence[int]) -> dict[str, Any]:
        members = [self.members[i] for i in who]
        if not members:
            return {}
        training = [m.training for m in members]
        sgd = training[0].optimizer == "sgd"
        betas = [(t.momentum, t.momentum) if sgd else (t.beta1, t.beta2) for t in training]
        found: dict[str, Any] = {
            "betas": torch.tensor(betas, dtype=torch.float64, device=self.pool.device).T,
            "memory": tuple(map(self._column, zip(*betas, strict=True))),
            "rates": self._column([t.learning_rate for t in training]),
            "scale": torch.stack([self.pool.scale(m) for m in members]),
        }  # fmt: skip
        shares = [self.pool.frequencies(m) for m in members]
        if all(s is not None for s in shares):
            found["frequencies"] = torch.stack([s for s in shares if s is not None])
        return found | {"strengths": {p: self._strengths(p, members, None) for p in members[0].places}}

    def _strengths(self, place: str, members: Sequence[Member], done: Sequence[float] | None) -> dict[str, Tensor]:
        """The strengths at a place, one number per member: knob → (members,)."""
        acting = [m.places[place] for m in members]
        now = [a.technique for a in acting] if done is None else [a.at(d) for a, d in zip(acting, done, strict=True)]
        return {knob: self._column([float(getattr(t, knob)) for t in now]) for knob in floats(now[0])}

    # ---- an epoch ------------------------------------------------------------------------------

    def train_epoch(self) -> None:
        """An epoch of every member."""
        began = time.perf_counter()
        for member in self.members:
            member.begin_epoch()
        longest = max(len(m.batches) for m in self.members)
        self.losses = torch.zeros(longest, len(self.members), dtype=self.pool.dtype, device=self.pool.device)
        for number in range(longest):
            together: dict[tuple[int, Moment], list[int]] = defaultdict(list)
            for i, member in enumerate(self.members):
                rows = member.rows()
                if rows is not None:
                    member.come(self.program.update.every)
                    together[len(rows), self._moment(member)].append(i)
            for (size, moment), who in together.items():
                self.losses[number, who] = self._step(who, size, moment).to(self.losses.dtype)
        self.state = tree_map(lambda t: t[: len(self.members)], self.state)
        for member in self.members:
            member.seconds = (time.perf_counter() - began) / len(self.members)

    def try_out(self) -> None:
        """One step of all members whose first batches are alike; it is not kept."""
        before = self.state
        for member in self.members:
            member.begin_epoch()
            member.come(self.program.update.every)
        size = len(self.members[0].batches[0])
        alike = [i for i, member in enumerate(self.members) if len(member.batches[0]) == size]
        self._step(alike, size, self._moment(self.members[0]))
        self.state = before

    def measure(self) -> None:
        """An evaluation, which is not kept either."""
        for part in self.sets:
            self._measure(self.program.kept(self.state), part)

    def _moment(self, member: Member) -> Moment:
        program, clock = self.program, member.now
        on_eval = program.on_eval
        if program.timeless:
            return self.always
        return Moment(
            tuple(t.acts(clock) for t in program.on_grads),
            tuple(member.due.values()),
            bool(on_eval and on_eval.acts(clock)),
            isinstance(on_eval, Pulling) and on_eval.pulls(clock),
        )

    def _step(self, who: Sequence[int], size: int, moment: Moment) -> Tensor:
        """One step of some of the members; their losses."""
        members = [self.members[i] for i in who]
        everyone = len(who) == len(self.members)
        given = self._given(who, members, everyone)
        if (size, moment) not in self.noise.tapes:
            self.noise.tapes[size, moment] = self._try_out(given, moment, who[0])
        given["draws"] = self.noise.draw((size, moment), size, members)
        rows = None if everyone else torch.tensor(who, device=self.pool.device)
        room = self.calls.room(len(who), size, moment)
        state = self.state if rows is None else _rows(self.state, rows)
        state, given = _filled(state, room), _filled(given, room)
        state, losses = self.calls(self.program, room, size, moment, state, given)
        self.state = state if rows is None else _put(self.state, rows, tree_map(lambda t: t[: len(who)], state))
        for member in members:
            member.step += 1
        return losses[: len(who)]

    def _given(self, who: Sequence[int], members: Sequence[Member], everyone: bool) -> dict[str, Any]:
        """What a step of some members is given, but for random numbers."""
        fixed = self.fixed if everyone else self._numbers(who)
        strengths = fixed["strengths"]
        given: dict[str, Any] = {name: fixed[name] for name in ("scale", "frequencies") if name in fixed}
        if any(m.scheduled for m in members):
            done = [m.now.done for m in members]
            changing = {p for m in members for p in m.places if m.places[p].scheduled}
            strengths = strengths | {p: self._strengths(p, members, done) for p in changing}
        given["x"], given["y"] = self.pool.batch(members)
        rates = fixed["rates"] if all(m.steady for m in members) else self._column([m.rate_now for m in members])
        steps = torch.tensor([m.step + 1.0 for m in members], dtype=torch.float64, device=self.pool.device)
        given |= {
            "strengths": strengths, "rate": rates, "memory": fixed["memory"],
            "corrections": tuple((1 - fixed["betas"] ** steps).to(self.pool.dtype)),
            "owed": {n: self._column([m.owed[n] for m in members]) for n in members[0].owed},
        }  # fmt: skip
        if self.program.clocked:
            clocks = [(m.now.step, m.now.per_epoch, m.now.total) for m in members]
            given["clock"] = tuple(map(self._column, zip(*clocks, strict=True)))
        return given

    def _column(self, numbers: Sequence[float]) -> Tensor:
        return torch.tensor(numbers, dtype=self.pool.dtype, device=self.pool.device)

    def _try_out(self, given: dict[str, Any], moment: Moment, number: int) -> list[Drawing]:
        """What random numbers a step asks for, and which weights no gradient reaches."""
        one = tree_map(lambda t: t[0], given) | {"draws": [], "strengths": {}}
        source = self.program.source
        source.noted = []
        try:
            with torch.random.fork_rng(), torch.no_grad():
                self.program.step(tree_map(lambda t: t[number].clone(), self.state), one, moment)
            return source.noted
        finally:
            source.noted = None

    # ---- between epochs ------------------------------------------------------------------------

    @torch.no_grad()
    def end_epoch(self) -> list[Ended]:
        """Measure every member, and let those go that have ended."""
        weights = self.program.kept(self.state)
        lost_ones = self._lost()
        train, stop = (self._measure(weights, part) for part in self.sets)
        penalties = self._penalties()
        means = [self.losses[: len(m.batches), i].mean() for i, m in enumerate(self.members)]
        batch_losses = torch.stack(means).tolist()
        improved, gone, failures = [], [], {}
        self.scores = stop[2]
        name = self.metric.name
        for i, member in enumerate(self.members):
            better = False
            if i in lost_ones:
                try:
                    member.course.break_off(lost_ones[i])
                except TrainingError as error:
                    failures[i] = str(error)
            else:
                row = {
                    "epoch": member.epoch, "train_loss": train[0][i], "train_loss_se": train[1][i],
                    "stop_loss": stop[0][i], "stop_loss_se": stop[1][i], f"train_{name}": train[2][i],
                    f"stop_{name}": stop[2][i], "batch_loss": batch_losses[i],
                    **{column: values[i] for column, values in penalties.items() if column in member.columns},
                    "learning_rate": member.rate_now, "seconds": member.seconds,
                }  # fmt: skip
                better = member.course.tell(row)
            improved.append(better)
            if i in lost_ones or member.course.stopped or member.epoch > member.training.epochs:
                gone.append(i)
        if any(improved):
            kept = {"weights": weights, "buffers": self.state["buffers"]}
            mask = torch.tensor(improved, device=self.pool.device)
            self.best = tree_map(lambda new, old: torch.where(_wide(mask, new), new, old), kept, self.best)
        if not gone:
            return []
        ended = self.leave(gone)
        for i, end in zip(gone, ended, strict=True):
            end.failure = failures.get(i, "")
        return ended

    def _lost(self) -> dict[int, str]:
        """The members whose numbers are not finite any more, and where that began."""
        found: dict[int, str] = {}
        finite = torch.isfinite(self.losses)
        each = torch.stack([torch.isfinite(w).reshape(len(w), -1).all(1) for w in self.state["weights"]])
        whole = each.all(0)
        if bool(finite.all()) and bool(whole.all()):
            return found
        for i, member in enumerate(self.members):
            batches = len(member.batches)
            if not bool(finite[:batches, i].all()):
                batch = int((~finite[:batches, i]).nonzero()[0])
                found[i] = lost(float(self.losses[batch, i]), member.epoch, batch + 1, batches)
            elif not bool(whole[i]):
                names = [n for n, ok in zip(self.program.names, each[:, i].tolist(), strict=True) if not ok]
                found[i] = broken(names[0], member.epoch)
        return found

    def _measure(
        self, weights: list[Tensor], sets: Sequence[tuple[list[int], Tensor, Tensor, bool]]
    ) -> tuple[list[float], ...]:
        """Loss, its standard error, and metric of each member on rows that are only looked at."""
        answers: list[list[float]] = [[0.0] * len(self.members) for _ in range(3)]
        for who, x, y, shared in sets:
            rows = None if len(who) == len(self.members) else torch.tensor(who, device=self.pool.device)
            state = {"weights": weights, "buffers": self.state["buffers"]}
            state = state if rows is None else _rows(state, rows)
            outputs = self.calls.outputs(self.program, state["weights"], state["buffers"], x, shared)
            each = vmap(self.program.criterion.rows, in_dims=(0, None if shared else 0))(outputs, y)
            if each.ndim == 1:
                losses, errors = each, torch.full_like(each, torch.nan)
            else:
                losses, count = each.mean(1), each.shape[1]
                errors = each.std(1) / count**0.5 if count > 1 else torch.full_like(losses, torch.nan)
            scores = self.metric.each(outputs, y)
            for answer, values in zip(answers, (losses.tolist(), errors.tolist(), scores), strict=True):
                for i, value in zip(who, values, strict=True):
                    answer[i] = value
        return tuple(answers)

    def _penalties(self) -> dict[str, list[float]]:
        if not self.program.update.penalties:
            return {}
        strengths = self.fixed["strengths"]
        if any(m.scheduled for m in self.members):
            done = [(m.epoch - 1) / m.training.epochs for m in self.members]
            places = [p for p in strengths if p.startswith("weights ")]
            strengths = {p: self._strengths(p, self.members, done) for p in places}
        found = vmap(self.program.penalties)(self.state["weights"], strengths)
        return {column: values.tolist() for column, values in found.items()}


def _stacked(states: Sequence[State]) -> State:
    """Members' tensors, one row for each."""
    first, *others = states
    made: State = tree_map(lambda *tensors: torch.stack(tensors), first, *others)
    return made


def _filled(state: State, room: int) -> State:
    """Rows for so many members: the first one's again where there are fewer."""

    def fill(t: Tensor) -> Tensor:
        return t if len(t) >= room else torch.cat([t, t[:1].expand(room - len(t), *t.shape[1:])])

    made: State = tree_map(fill, state)
    return made


def _together(states: Sequence[State]) -> State:
    first, *others = states
    made: State = tree_map(lambda *tensors: torch.cat(tensors), first, *others)
    return made


def _row(state: State, number: int) -> State:
    made: State = tree_map(lambda t: t[number].clone(), state)
    return made


def _rows(state: State, rows: Tensor) -> State:
    made: State = tree_map(lambda t: t.index_select(0, rows), state)
    return made


def _put(state: State, rows: Tensor, some: State) -> State:
    made: State = tree_map(lambda t, part: t.index_copy(0, rows, part), state, some)
    return made


def _wide(mask: Tensor, like: Tensor) -> Tensor:
    return mask.reshape(-1, *[1] * (like.ndim - 1))
