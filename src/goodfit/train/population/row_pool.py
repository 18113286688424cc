"""The rows of all members, where one index reaches each."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from goodfit.data import Split
from goodfit.data.storage import concatenate
from goodfit.train.evaluate import training_sample
from goodfit.train.population.members import Member
from goodfit.train.stages.on_batch import spread
from goodfit.train.stages.on_loss import shares

Sets = list[tuple[list[int], Tensor, Tensor, bool]]
"""Numbers of members, their rows x and y, and whether all of them have the same ones (then without a leading
dimension for the members)."""
AT_ONCE = 2**26
"""Numbers up to which rows of members that have different ones are put side by side."""


class Pool:
    """The training rows of several splits one after another, and what techniques need to know of them."""

    def __init__(self, splits: Sequence[Split], attacked: bool, dtype: torch.dtype) -> None:
        self.splits = {id(split): split for split in splits}
        parts = [split.train for split in self.splits.values()]
        self.x = concatenate([part.x for part in parts])
        self.y = parts[0].y if len(parts) == 1 else torch.cat([part.y for part in parts])
        starts = torch.tensor([0, *(len(part) for part in parts)]).cumsum(0).tolist()
        self.starts = dict(zip(self.splits, starts, strict=False))
        self.dtype, self.device = dtype, self.x.device
        spec = splits[0].spec
        classes = len(spec.classes)
        self.scales = {k: spread(s.train.x) if attacked else s.train.x.new_ones(()) for k, s in self.splits.items()}
        self.shares = {k: shares(s.train.y, classes) if classes else None for k, s in self.splits.items()}
        self.samples: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}

    def ends(self, member: Member) -> tuple[float, float]:
        """The values of a member's inputs that stand for black and white."""
        inputs = self.splits[id(member.split)].spec.inputs
        return inputs.low, inputs.high

    def scale(self, member: Member) -> Tensor:
        """The spread of a member's training inputs, () or (features,)."""
        return self.scales[id(member.split)]

    def frequencies(self, member: Member) -> Tensor | None:
        """The shares of the classes among a member's training rows."""
        return self.shares[id(member.split)]

    def orders(self, members: Sequence[Member]) -> Tensor:
        """The numbers of the rows that members draw in this epoch, one behind the other (members, most rows)."""
        rows = torch.nn.utils.rnn.pad_sequence([m.order for m in members], batch_first=True)
        if len(self.starts) > 1:
            rows = rows + torch.tensor([[self.starts[id(m.split)]] for m in members], device=self.device)
        return rows

    def batch(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Batches of row numbers (members, batch): x (members, batch, …), y (members, batch, …)."""
        flat = rows.reshape(-1)
        x, y = self.x.index_select(0, flat), self.y.index_select(0, flat)
        return x.view(*rows.shape, *x.shape[1:]), y.view(*rows.shape, *y.shape[1:])

    def sets(self, members: Sequence[Member]) -> tuple[Sets, Sets]:
        """The rows on which members are measured: of training, and of the stop part."""
        stops = [((id(m.split), 0), (m.split.stop.x, m.split.stop.y)) for m in members]
        return _side_by_side([self._sample(m) for m in members]), _side_by_side(stops)

    def sample(self, member: Member) -> tuple[Tensor, Tensor]:
        """The training rows on which a member is measured."""
        key = id(member.split), member.seed
        if key not in self.samples:
            self.samples[key] = training_sample(member.split.train, member.seed)
        return self.samples[key]

    def _sample(self, member: Member) -> tuple[tuple[int, int], tuple[Tensor, Tensor]]:
        x, y = self.sample(member)
        return (id(member.split), -1 if x is member.split.train.x else member.seed), (x, y)


def _side_by_side(found: Sequence[tuple[tuple[int, int], tuple[Tensor, Tensor]]]) -> Sets:
    """Members that have the same rows share them; others are put side by side where that fits into memory."""
    who: dict[tuple[int, int], list[int]] = {}
    for number, (key, _) in enumerate(found):
        who.setdefault(key, []).append(number)
    rows = dict(found)
    alike = len({(x.shape, y.shape) for x, y in rows.values()}) == 1
    if len(who) > 1 and alike and len(found) * next(iter(rows.values()))[0].numel() <= AT_ONCE:
        x, y = (torch.stack([pair[i] for _, pair in found]) for i in range(2))
        return [(list(range(len(found))), x, y, False)]
    return [(numbers, *rows[key], True) for key, numbers in who.items()]
