"""What is measured of all members between epochs: their losses and metrics, their penalties, whether they are sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import vmap

from goodfit.data import Metric
from goodfit.train.course import broken, lost
from goodfit.train.evaluate import ROWS
from goodfit.train.population.data import Sets
from goodfit.train.population.member import Member
from goodfit.train.population.program import Program, State
from goodfit.train.population.stacking import Flat, rows_of
from goodfit.train.population.tracing import Calls

OUTPUTS = "outputs"
PIECE = 256
"""Rows that are evaluated at a time on a CPU, so that the activations of all members stay in its cache."""

Answers = tuple[list[float], list[float], list[float]]
"""Of each member: mean loss, its standard error, the metric."""


@dataclass(frozen=True)
class Measuring:
    """Evaluation mode, for many members at once."""

    program: Program
    metric: Metric
    calls: Calls

    def __call__(self, weights: list[Tensor], buffers: dict[str, Tensor], members: int, sets: Sets) -> Answers:
        """Loss and metric of members with these stacked weights, on rows that are only looked at."""
        answers: Answers = tuple([0.0] * members for _ in range(3))  # type: ignore[assignment]
        for who, x, y, shared in sets:
            state: State = {"weights": weights, "buffers": buffers}
            if len(who) < members:
                state = rows_of(state, torch.tensor(who, device=x.device))
            outputs = self._outputs(state, len(who), x, shared)
            with self.calls.turn:
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
        return answers

    def _outputs(self, state: State, members: int, x: Tensor, shared: bool) -> Tensor:
        """The members' outputs (members, rows, outputs), for rows x that they share or have each."""
        mapped = vmap(self.program.outputs, in_dims=(0, 0, None if shared else 0))
        rows = x.shape[0 if shared else 1]
        most = PIECE if x.device.type == "cpu" else ROWS
        size = -(-rows // -(-rows // most))  # pieces of one size, as far as that goes
        found = []
        for piece in x.split(size, dim=0 if shared else 1):
            kind = OUTPUTS, *piece.shape[0 if shared else 1 :], shared
            room = self.calls.room(kind, members)
            given = [Flat.of(state["weights"]), Flat.of(state["buffers"]), Flat.of(piece)]
            given = [flat.filled(room) if i < 2 or not shared else flat for i, flat in enumerate(given)]
            found.append(self.calls(kind, room, mapped, *given).leaves[0][:members])
        return torch.cat(found, 1)


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
