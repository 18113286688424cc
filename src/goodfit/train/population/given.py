"""What the steps of an epoch are given: batches, learning rates, strengths; all but random numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from goodfit.train.population.data import Pool
from goodfit.train.population.member import Member
from goodfit.train.population.program import Program
from goodfit.train.population.stacking import Tree, rows_of
from goodfit.train.population.structure import floats


class Given:
    """For some members, row i being number i's."""

    def __init__(self, program: Program, pool: Pool, members: Sequence[Member]) -> None:
        self.program, self.pool, self.members = program, pool, members
        self.quiet = program.timeless and not program.clocked and all(m.steady and not m.scheduled for m in members)
        """Whether every step of a member is given the same numbers."""
        training = [m.training for m in members]
        sgd = training[0].optimizer == "sgd"
        betas = [(t.momentum, t.momentum) if sgd else (t.beta1, t.beta2) for t in training]
        self.betas = torch.tensor(betas, dtype=torch.float64, device=pool.device).T
        self.fixed: Tree = {
            "memory": tuple(map(self._column, zip(*betas, strict=True))),
            "rate": self._column([t.learning_rate for t in training]),
            "scale": torch.stack([pool.scale(m) for m in members]),
            "strengths": {place: self.strengths(place, None) for place in members[0].places},
        }  # fmt: skip
        shares = [pool.frequencies(m) for m in members]
        if all(s is not None for s in shares):
            self.fixed["frequencies"] = torch.stack([s for s in shares if s is not None])

    def begin_epoch(self) -> None:
        """Draw the members' rows, and come to their first step."""
        for member in self.members:
            member.begin_epoch()
        self.rows = self.pool.orders(self.members)
        self.batch_size = self.members[0].training.batch_size
        longest = max(len(m.batches) for m in self.members)
        first = torch.tensor([m.step + 1.0 for m in self.members], dtype=torch.float64, device=self.pool.device)
        steps = first + torch.arange(longest, device=self.pool.device)[:, None]  # (batch, member)
        self.corrections = (1 - self.betas[:, None] ** steps).to(self.pool.dtype)
        self.come(self.members)

    def come(self, members: Sequence[Member]) -> None:
        """The members come to their next step."""
        for member in members:
            member.come(self.program.update.every)

    def step(self, number: int, size: int, who: Sequence[int]) -> Tree:
        """What batch `number` of some members, of so many rows each, is trained with."""
        members = [self.members[i] for i in who]
        first = number * self.batch_size
        rows, corrections = self.rows[:, first : first + size], tuple(self.corrections[:, number])
        given: dict[str, Any] = {**self.fixed, "corrections": corrections, "owed": {}}
        if len(who) < len(self.members):
            index = torch.tensor(who, device=self.pool.device)
            rows, given = rows.index_select(0, index), rows_of(given, index)
        given["x"], given["y"] = self.pool.batch(rows)
        if self.quiet:
            return given
        if any(m.scheduled for m in members):
            changing = {p for m in members for p in m.places if m.places[p].scheduled}
            done = [m.now.done for m in self.members]
            index = torch.tensor(who, device=self.pool.device)
            now = {p: rows_of(self.strengths(p, done), index) for p in changing}
            given["strengths"] = given["strengths"] | now
        given["rate"] = self._column([m.rate_now for m in members])
        given["owed"] = {n: self._column([m.owed[n] for m in members]) for n in members[0].owed}
        if self.program.clocked:
            clocks = [(m.now.step, m.now.per_epoch, m.now.total) for m in members]
            given["clock"] = tuple(map(self._column, zip(*clocks, strict=True)))
        return given

    def strengths(self, place: str, done: Sequence[float] | None) -> dict[str, Tensor]:
        """The strengths at a place when such shares of training lie behind each member: knob → (members,)."""
        acting = [m.places[place] for m in self.members]
        now = [a.technique if done is None else a.at(done[i]) for i, a in enumerate(acting)]
        return {knob: self._column([float(getattr(t, knob)) for t in now]) for knob in floats(now[0])}

    def _column(self, numbers: Sequence[float]) -> Tensor:
        return torch.tensor(numbers, dtype=self.pool.dtype, device=self.pool.device)
