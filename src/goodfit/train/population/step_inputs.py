"""The inputs of a population's steps, stacked over members: batches, learning rates, strengths."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import torch
from torch import Tensor

from goodfit.train.population.grouping import float_knobs
from goodfit.train.population.members import Member
from goodfit.train.population.program import Program
from goodfit.train.population.pytree import Flat, Tree
from goodfit.train.population.row_pool import RowPool
from goodfit.train.stages.hooks import SiteKey


class StepInputs:
    """The inputs of some members' steps, apart from random numbers; row i belongs to member i."""

    def __init__(self, program: Program, pool: RowPool, members: Sequence[Member]) -> None:
        self.program, self.pool, self.members = program, pool, members
        steady = all(m.constant_rate and not m.scheduled for m in members)
        self.constant = program.uniform and not program.uses_clock and steady
        """Whether all steps have the same inputs apart from the batch."""
        self.scheduled = sorted({site for m in members for site, t in m.techniques.items() if t.scheduled})
        self.kind = (self.constant, *self.scheduled)
        """Distinguishes inputs of different structure."""
        training = [m.training for m in members]
        sgd = training[0].optimizer == "sgd"
        betas = [(t.momentum, t.momentum) if sgd else (t.beta1, t.beta2) for t in training]
        self.betas = torch.tensor(betas, dtype=torch.float64, device=pool.device).T
        self.fixed: Tree = {
            "betas": tuple(map(self._column, zip(*betas, strict=True))),
            "learning_rate": self._column([t.learning_rate for t in training]),
            "scale": torch.stack([pool.scale(m) for m in members]),
            "range": tuple(map(self._column, zip(*(pool.value_range(m) for m in members), strict=True))),
            "strengths": {site: self.strengths(site, members) for site in members[0].techniques},
        }  # fmt: skip
        shares = [pool.class_shares(m) for m in members]
        if all(s is not None for s in shares):
            self.fixed["class_shares"] = torch.stack([s for s in shares if s is not None])
        self.flat, self.padded = Flat.of(self.fixed), dict[int, Flat]()

    def begin_epoch(self) -> None:
        """Draw the members' rows, and begin their first step."""
        orders: dict[Hashable, Tensor] = {}
        for member in self.members:
            member.begin_epoch(orders)
        self.rows = self.pool.orders(self.members)
        masks = [m.augment_mask for m in self.members if m.augment_mask is not None]  # all members have one, or none
        self.augment_mask = torch.nn.utils.rnn.pad_sequence(masks, batch_first=True) if masks else None
        self.batch_size = self.members[0].training.batch_size
        longest = max(len(m.batches) for m in self.members)
        first = torch.tensor([m.step + 1.0 for m in self.members], dtype=torch.float64, device=self.pool.device)
        steps = first + torch.arange(longest, device=self.pool.device)[:, None]  # (batch, member)
        first, second = 1 - self.betas[:, None] ** steps
        self.corrections = torch.stack([second.sqrt() / first, second.sqrt()]).to(self.pool.dtype)
        self.in_lockstep = self.constant and all(m.batches == self.members[0].batches for m in self.members)
        """Whether all members take all steps together."""
        self.begin_step(self.members)

    def begin_step(self, members: Sequence[Member]) -> None:
        """Begin the members' next step."""
        for member in members:
            member.begin_step()

    def fixed_for(self, rows: Tensor | None, size: int) -> Flat:
        """The inputs that all steps share, for the members with these row numbers (None: all), padded to a size."""
        if rows is not None:
            return self.flat.rows(rows).padded(size)
        if size not in self.padded:
            self.padded[size] = self.flat.padded(size)
        return self.padded[size]

    def varying(self, number: int, size: int, chosen: Sequence[int], rows: Tensor | None) -> Tree:
        """The inputs of batch `number`, with `size` rows, of the chosen members; `rows`: the same as a tensor, or None
        for all members."""
        first = number * self.batch_size
        order, corrections = self.rows[:, first : first + size], self.corrections[:, number]
        if rows is not None:
            order, corrections = order.index_select(0, rows), corrections.index_select(1, rows)
        x, y = self.pool.batch(order)
        inputs: dict[str, Any] = {"x": x, "y": y, "corrections": (corrections[0], corrections[1]), "summed_rates": {}}
        if self.augment_mask is not None:
            mask = self.augment_mask[:, first : first + size]
            inputs["augment_mask"] = mask if rows is None else mask.index_select(0, rows)
        return inputs if self.constant else inputs | self._scheduled_inputs([self.members[i] for i in chosen])

    def _scheduled_inputs(self, members: Sequence[Member]) -> Tree:
        """The inputs that change from step to step."""
        inputs: dict[str, Any] = {
            "learning_rate": self._column([m.learning_rate for m in members]),
            "summed_rates": {n: self._column([m.summed_rates[n] for m in members]) for n in members[0].summed_rates},
        }
        if self.scheduled:
            progress = [m.clock.progress for m in members]
            inputs["strengths"] = {site: self.strengths(site, members, progress) for site in self.scheduled}
        if self.program.uses_clock:
            clocks = [(m.clock.step, m.clock.per_epoch, m.clock.total) for m in members]
            inputs["clock"] = tuple(map(self._column, zip(*clocks, strict=True)))
        return inputs

    def strengths(
        self, site: SiteKey, members: Sequence[Member], progress: Sequence[float] | None = None
    ) -> dict[str, Tensor]:
        """The strengths at a site, after these shares of each member's training: knob → (members,)."""
        techniques = [m.techniques[site] for m in members]
        if progress is None:
            current = [t.technique for t in techniques]
        else:
            current = [t.at(p) for t, p in zip(techniques, progress, strict=True)]
        return {knob: self._column([float(getattr(t, knob)) for t in current]) for knob in float_knobs(current[0])}

    def _column(self, numbers: Sequence[float]) -> Tensor:
        return torch.tensor(numbers, dtype=self.pool.dtype, device=self.pool.device)
