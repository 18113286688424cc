"""What the steps of an epoch are given: batches, learning rates, strengths; all but random numbers."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import torch
from torch import Tensor

from goodfit.train.population.grouping import floats
from goodfit.train.population.members import Member
from goodfit.train.population.program import Program
from goodfit.train.population.pytree import Flat, Tree
from goodfit.train.population.row_pool import Pool


class StepInputs:
    """For some members, row i being number i's."""

    def __init__(self, program: Program, pool: Pool, members: Sequence[Member]) -> None:
        self.program, self.pool, self.members = program, pool, members
        self.quiet = program.timeless and not program.clocked and all(m.steady and not m.scheduled for m in members)
        """Whether every step of a member is given the same numbers."""
        self.changing = sorted({place for m in members for place in m.places if m.places[place].scheduled})
        self.kind = (self.quiet, *self.changing)
        """What tells one structure of what steps are given from another."""
        training = [m.training for m in members]
        sgd = training[0].optimizer == "sgd"
        betas = [(t.momentum, t.momentum) if sgd else (t.beta1, t.beta2) for t in training]
        self.betas = torch.tensor(betas, dtype=torch.float64, device=pool.device).T
        self.fixed: Tree = {
            "memory": tuple(map(self._column, zip(*betas, strict=True))),
            "rate": self._column([t.learning_rate for t in training]),
            "scale": torch.stack([pool.scale(m) for m in members]),
            "ends": tuple(map(self._column, zip(*(pool.ends(m) for m in members), strict=True))),
            "strengths": {place: self.strengths(place, members) for place in members[0].places},
        }  # fmt: skip
        shares = [pool.frequencies(m) for m in members]
        if all(s is not None for s in shares):
            self.fixed["frequencies"] = torch.stack([s for s in shares if s is not None])
        self.flat, self.roomy = Flat.of(self.fixed), dict[int, Flat]()

    def begin_epoch(self) -> None:
        """Draw the members' rows, and come to their first step."""
        orders: dict[Hashable, Tensor] = {}
        for member in self.members:
            member.begin_epoch(orders)
        self.rows = self.pool.orders(self.members)
        flags = [m.again for m in self.members if m.again is not None]  # of all members or of none: see `settings`
        self.again = torch.nn.utils.rnn.pad_sequence(flags, batch_first=True) if flags else None
        self.batch_size = self.members[0].training.batch_size
        longest = max(len(m.batches) for m in self.members)
        first = torch.tensor([m.step + 1.0 for m in self.members], dtype=torch.float64, device=self.pool.device)
        steps = first + torch.arange(longest, device=self.pool.device)[:, None]  # (batch, member)
        first, second = 1 - self.betas[:, None] ** steps
        self.corrections = torch.stack([second.sqrt() / first, second.sqrt()]).to(self.pool.dtype)
        self.even = self.quiet and all(m.batches == self.members[0].batches for m in self.members)
        """Whether all members take all steps side by side."""
        self.come(self.members)

    def come(self, members: Sequence[Member]) -> None:
        """The members come to their next step."""
        for member in members:
            member.come(self.program.update.every)

    def fixed_of(self, rows: Tensor | None, room: int) -> Flat:
        """What is the same in every step: of some members or everyone, with room for so many."""
        if rows is not None:
            return self.flat.rows(rows).filled(room)
        if room not in self.roomy:
            self.roomy[room] = self.flat.filled(room)
        return self.roomy[room]

    def moving(self, number: int, size: int, who: Sequence[int], rows: Tensor | None) -> Tree:
        """What batch `number`, of so many rows each, brings some members, or everyone."""
        first = number * self.batch_size
        order, corrections = self.rows[:, first : first + size], self.corrections[:, number]
        if rows is not None:
            order, corrections = order.index_select(0, rows), corrections.index_select(1, rows)
        x, y = self.pool.batch(order)
        given: dict[str, Any] = {"x": x, "y": y, "corrections": (corrections[0], corrections[1]), "owed": {}}
        if self.again is not None:
            only = self.again[:, first : first + size]
            given["only"] = only if rows is None else only.index_select(0, rows)
        return given if self.quiet else given | self._changing([self.members[i] for i in who])

    def _changing(self, members: Sequence[Member]) -> Tree:
        """The numbers of members whose steps are not all given the same."""
        given: dict[str, Any] = {
            "rate": self._column([m.rate_now for m in members]),
            "owed": {n: self._column([m.owed[n] for m in members]) for n in members[0].owed},
        }
        if self.changing:
            done = [m.now.progress for m in members]
            given["strengths"] = {place: self.strengths(place, members, done) for place in self.changing}
        if self.program.clocked:
            clocks = [(m.now.step, m.now.per_epoch, m.now.total) for m in members]
            given["clock"] = tuple(map(self._column, zip(*clocks, strict=True)))
        return given

    def strengths(
        self, place: str, members: Sequence[Member], done: Sequence[float] | None = None
    ) -> dict[str, Tensor]:
        """The strengths at a place, when such shares of training lie behind each member: knob → (members,)."""
        acting = [m.places[place] for m in members]
        now = [a.technique for a in acting] if done is None else [a.at(d) for a, d in zip(acting, done, strict=True)]
        return {knob: self._column([float(getattr(t, knob)) for t in now]) for knob in floats(now[0])}

    def _column(self, numbers: Sequence[float]) -> Tensor:
        return torch.tensor(numbers, dtype=self.pool.dtype, device=self.pool.device)
