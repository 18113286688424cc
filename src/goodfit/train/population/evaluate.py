"""What is measured of all members between epochs: their losses and metrics, their penalties, whether they are sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import vmap

from goodfit.data import Metric
from goodfit.train.evaluate import ROWS
from goodfit.train.losses import by_row
from goodfit.train.population.calls import CallHints, Calls
from goodfit.train.population.members import Member
from goodfit.train.population.program import Program, State
from goodfit.train.population.pytree import Flat, rows_of
from goodfit.train.population.row_pool import Sets
from goodfit.train.stages.on_epoch import broken, lost

OUTPUTS = "outputs"
PIECE = 128
"""Rows that are evaluated at a time on a CPU, so that the activations of all members stay in its cache."""
CALL = 16
"""A call takes about as long as so many rows more."""

Answers = tuple[list[float], list[float], list[float]]
"""Of each member: mean loss, its standard error, the metric."""


@dataclass(frozen=True)
class PopulationEvaluator:
    """Evaluation mode, for many members at once."""

    program: Program
    metric: Metric
    calls: Calls

    def __call__(
        self, weights: list[Tensor], buffers: dict[str, Tensor], members: int, parts: Sequence[Sets], steps: int
    ) -> list[Answers]:
        """Losses and metrics of members with these stacked weights, on parts of the data that are only looked at.

        `steps`: how many lie between two such measurements.
        """
        counts = [x.shape[0 if shared else 1] for part in parts for _, x, _, shared in part]
        size = self._size(counts)
        way = CallHints(often=sum(-(-n // size) for n in counts) / steps)
        found = []
        for part in parts:
            answers: Answers = tuple([0.0] * members for _ in range(3))  # type: ignore[assignment]
            for who, x, y, shared in part:
                state: State = {"weights": weights, "buffers": buffers}
                if len(who) < members:
                    state = rows_of(state, torch.tensor(who, device=x.device))
                for answer, values in zip(answers, self._one(state, len(who), x, y, shared, size, way), strict=True):
                    for i, value in zip(who, values, strict=True):
                        answer[i] = value
            found.append(answers)
        return found

    def _size(self, counts: Sequence[int]) -> int:
        """The rows of a piece: all pieces have as many, so that one program does for all, and few are filled up."""
        if self.program.mixes:
            return ROWS
        most = min(max(counts), PIECE if self.program.live[0].device.type == "cpu" else ROWS)
        return min(range(most, most // 2, -1), key=lambda size: sum(-(-n // size) for n in counts) * (size + CALL))

    def _one(
        self, state: State, members: int, x: Tensor, y: Tensor, shared: bool, size: int, way: CallHints
    ) -> Answers:
        """For rows x and y that members share, or have each."""
        outputs, each = self._outputs(state, members, x, y, shared, size, way)
        if each.ndim == 1:
            losses, errors = each, torch.full_like(each, torch.nan)
        else:
            losses, count = each.mean(1), each.shape[1]
            errors = each.std(1) / count**0.5 if count > 1 else torch.full_like(losses, torch.nan)
        return losses.tolist(), errors.tolist(), self.metric.each(outputs, y)

    def _outputs(
        self, state: State, members: int, x: Tensor, y: Tensor, shared: bool, size: int, way: CallHints
    ) -> tuple[Tensor, Tensor]:
        """The members' outputs (members, rows, outputs) and losses (members, rows)."""
        side, rows = (None, 0) if shared else (0, 1)
        function = vmap(self.program.measured, in_dims=(0, 0, side, side))
        own = [Flat.of(state["weights"]), Flat.of(state["buffers"])]
        found: list[list[Tensor]] = []
        for piece in zip(x.split(size, rows), y.split(size, rows), strict=True):
            data = piece if self.program.mixes else [_padded(t, size, rows) for t in piece]
            kind = OUTPUTS, *data[0].shape[rows:], shared
            room = self.calls.room(kind, members)
            given = [
                *(flat.filled(room) for flat in own),
                *(Flat.of(t) if shared else Flat.of(t).filled(room) for t in data),
            ]
            made = self.calls(kind, room, function, *given, way=way).leaves
            found.append([t[:members, : piece[0].shape[rows]] for t in made])
        outputs, *losses = (torch.cat(parts, 1) for parts in zip(*found, strict=True))
        if losses:
            return outputs, losses[0]
        criterion = self.program.criterion
        return outputs, vmap(lambda output, y: by_row(criterion.rows(output, y)), in_dims=(0, side))(outputs, y)


def _padded(t: Tensor, size: int, dim: int) -> Tensor:
    """With the first row once more for each that is missing."""
    short = size - t.shape[dim]
    return torch.cat([t, *[t.narrow(dim, 0, 1)] * short], dim) if short else t


def lost_ones(
    losses: Tensor, weights: Sequence[Tensor], names: Sequence[str], members: Sequence[Member]
) -> dict[int, str]:
    """The members whose numbers are not finite any more, and where that began; losses (batch, member)."""
    found: dict[int, str] = {}
    finite = torch.isfinite(losses)
    each = torch.stack([torch.isfinite(w).reshape(len(w), -1).all(1) for w in weights])
    whole = each.all(0)
    if bool(finite.all()) and bool(whole.all()):
        return found
    for i, member in enumerate(members):
        batches = len(member.batches)
        if not bool(finite[:batches, i].all()):
            batch = int((~finite[:batches, i]).nonzero()[0])
            found[i] = lost(float(losses[batch, i]), member.epoch, batch + 1, batches)
        elif not bool(whole[i]):
            broken_names = [n for n, ok in zip(names, each[:, i].tolist(), strict=True) if not ok]
            found[i] = broken(broken_names[0], member.epoch)
    return found
