"""The inputs of a population's steps: the rows of all members, learning rates and strengths, stacked."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import torch
from torch import Tensor

from goodfit.data import Split
from goodfit.data.storage import concatenate
from goodfit.train.evaluate import training_sample
from goodfit.train.population.graph import Flat, Tree
from goodfit.train.population.grouping import float_knobs
from goodfit.train.population.members import Member
from goodfit.train.population.program import Program
from goodfit.train.stages.hooks import SiteKey
from goodfit.train.stages.on_batch import input_scale
from goodfit.train.stages.on_loss import class_shares

EvaluationSets = list[tuple[list[int], Tensor, Tensor, bool]]
"""Numbers of members, their rows x and y, and whether they share these rows (then without a member dimension)."""
STACKED_VALUES = 2**26
"""Values up to which the different evaluation rows of members are stacked."""


class RowPool:
    """The training rows of several splits one after another, and the properties of each split."""

    def __init__(self, splits: Sequence[Split], needs_scale: bool, dtype: torch.dtype) -> None:
        self.splits = {id(split): split for split in splits}
        parts = [split.train for split in self.splits.values()]
        self.x = concatenate([part.x for part in parts])
        self.y = parts[0].y if len(parts) == 1 else torch.cat([part.y for part in parts])
        starts = torch.tensor([0, *(len(part) for part in parts)]).cumsum(0).tolist()
        self.starts = dict(zip(self.splits, starts, strict=False))
        self.dtype, self.device = dtype, self.x.device
        classes = len(splits[0].spec.classes)
        self._scales = {
            key: input_scale(split.train.x) if needs_scale else split.train.x.new_ones(())
            for key, split in self.splits.items()
        }
        self._class_shares = {
            key: class_shares(split.train.y, classes) if classes else None for key, split in self.splits.items()
        }
        self._samples: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def value_range(self, member: Member) -> tuple[float, float]:
        """The lowest and highest value of a member's inputs."""
        inputs = self.splits[id(member.split)].spec.inputs
        return inputs.low, inputs.high

    def scale(self, member: Member) -> Tensor:
        """The standard deviation of a member's training inputs, () or (features,)."""
        return self._scales[id(member.split)]

    def class_shares(self, member: Member) -> Tensor | None:
        """The shares of the classes (class,) among a member's training rows."""
        return self._class_shares[id(member.split)]

    def orders(self, members: Sequence[Member]) -> Tensor:
        """The numbers of the rows that members draw in this epoch (member, row), padded to the longest epoch."""
        rows = torch.nn.utils.rnn.pad_sequence([m.order for m in members], batch_first=True)
        if len(self.starts) > 1:
            rows = rows + torch.tensor([[self.starts[id(m.split)]] for m in members], device=self.device)
        return rows

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Batches of row numbers (member, batch): x (member, batch, …), y (member, batch, …)."""
        flat = rows.reshape(-1)
        x, y = self.x.index_select(0, flat), self.y.index_select(0, flat)
        return x.view(*rows.shape, *x.shape[1:]), y.view(*rows.shape, *y.shape[1:])

    def evaluation_sets(self, members: Sequence[Member]) -> tuple[EvaluationSets, EvaluationSets]:
        """The rows on which members are evaluated: training rows, and stop rows."""
        stops = [((id(m.split), 0), (m.split.stop.x, m.split.stop.y)) for m in members]
        return _shared_or_stacked([self._keyed_sample(m) for m in members]), _shared_or_stacked(stops)

    def sample(self, member: Member) -> tuple[Tensor, Tensor]:
        """The training rows on which a member is evaluated."""
        key = id(member.split), member.seed
        if key not in self._samples:
            self._samples[key] = training_sample(member.split.train, member.seed)
        return self._samples[key]

    def _keyed_sample(self, member: Member) -> tuple[tuple[int, int], tuple[Tensor, Tensor]]:
        x, y = self.sample(member)
        return (id(member.split), -1 if x is member.split.train.x else member.seed), (x, y)


def _shared_or_stacked(keyed: Sequence[tuple[tuple[int, int], tuple[Tensor, Tensor]]]) -> EvaluationSets:
    """Members with the same rows share them; different rows are stacked if they fit in memory."""
    members: dict[tuple[int, int], list[int]] = {}
    for number, (key, _) in enumerate(keyed):
        members.setdefault(key, []).append(number)
    rows = dict(keyed)
    same_shape = len({(x.shape, y.shape) for x, y in rows.values()}) == 1
    if len(members) > 1 and same_shape and len(keyed) * next(iter(rows.values()))[0].numel() <= STACKED_VALUES:
        x, y = (torch.stack([pair[i] for _, pair in keyed]) for i in range(2))
        return [(list(range(len(keyed))), x, y, False)]
    return [(numbers, *rows[key], True) for key, numbers in members.items()]


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
