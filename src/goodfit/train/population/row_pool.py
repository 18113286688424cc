"""The training rows of all members in one tensor, and the rows on which members are evaluated."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from goodfit.data import Split
from goodfit.data.storage import concatenate
from goodfit.train.evaluate import training_sample
from goodfit.train.population.members import Member
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
