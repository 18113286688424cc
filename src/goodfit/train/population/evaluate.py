"""Evaluates all members between epochs: losses, metrics, and whether their numbers are finite."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.func import vmap

from goodfit.data import Metric
from goodfit.train.evaluate import Evaluation, chunk_size, rows_per_pass
from goodfit.train.losses import by_row
from goodfit.train.population.calls import CallHints, Calls
from goodfit.train.population.graph import Flat, rows_of
from goodfit.train.population.members import Member
from goodfit.train.population.program import Program, State
from goodfit.train.population.step_inputs import EvaluationSets
from goodfit.train.stages.on_epoch import divergence

OUTPUTS = "outputs"
CHUNK = 128
"""Rows per call on a CPU, at most, so that the activations of all members stay in its cache."""
CALL_COST = 16
"""The fixed cost of a call, in rows."""


@dataclass(frozen=True)
class Chunking:
    """How rows are split into calls of the same size."""

    size: int
    hints: CallHints


@dataclass(frozen=True)
class PopulationEvaluator:
    """Evaluates many members at once, in evaluation mode."""

    program: Program
    metric: Metric
    calls: Calls

    def __call__(
        self,
        weights: list[Tensor],
        buffers: dict[str, Tensor],
        members: int,
        parts: Sequence[EvaluationSets],
        steps: int,
    ) -> list[list[Evaluation]]:
        """The evaluations of all members with these stacked weights on each part: one list per part.

        `steps`: training steps between two evaluations.
        """
        counts = [x.shape[0 if shared else 1] for part in parts for _, x, _, shared in part]
        _, x, _, shared = parts[0][0]
        size = self._chunk_size(counts, x[0] if shared else x[0, 0])
        chunking = Chunking(size, CallHints(per_step=sum(-(-n // size) for n in counts) / steps))
        results = []
        for part in parts:
            evaluations: dict[int, Evaluation] = {}
            for numbers, x, y, shared in part:
                state: State = {"weights": weights, "buffers": buffers}
                if len(numbers) < members:
                    state = rows_of(state, torch.tensor(numbers, device=x.device))
                evaluations |= dict(
                    zip(numbers, self._evaluate(state, len(numbers), x, y, shared, chunking), strict=True)
                )
            results.append([evaluations[i] for i in range(members)])
        return results

    def _chunk_size(self, counts: Sequence[int], row: Tensor) -> int:
        """The rows per call: the same for all calls, so that they share one program, with little padding."""
        if self.program.mixes_rows:
            return rows_per_pass(row[None])  # as in a run of its own: batches matter here
        largest = min(max(counts), chunk_size(row[None]))
        if row.device.type == "cpu":
            largest = min(largest, CHUNK)
        sizes = range(largest, largest // 2, -1)
        return min(sizes, key=lambda size: sum(-(-n // size) for n in counts) * (size + CALL_COST))

    def _evaluate(
        self, state: State, members: int, x: Tensor, y: Tensor, shared: bool, chunking: Chunking
    ) -> list[Evaluation]:
        """The evaluations of members on rows x and y, which they share or which have a member dimension."""
        outputs, losses = self._outputs(state, members, x, y, shared, chunking)
        if losses.ndim == 1:
            means, errors = losses, torch.full_like(losses, torch.nan)
        else:
            means, count = losses.mean(1), losses.shape[1]
            errors = losses.std(1) / count**0.5 if count > 1 else torch.full_like(means, torch.nan)
        scores = self.metric.each(outputs, y)
        return [Evaluation(*values) for values in zip(means.tolist(), errors.tolist(), scores, strict=True)]

    def _outputs(
        self, state: State, members: int, x: Tensor, y: Tensor, shared: bool, chunking: Chunking
    ) -> tuple[Tensor, Tensor]:
        """The members' outputs (member, row, output) and losses (member, row)."""
        dim, rows = (None, 0) if shared else (0, 1)
        function = vmap(self.program.outputs, in_dims=(0, 0, dim, dim))
        own = [Flat.of(state["weights"]), Flat.of(state["buffers"])]
        chunks: list[list[Tensor]] = []
        for chunk in zip(x.split(chunking.size, rows), y.split(chunking.size, rows), strict=True):
            data = chunk if self.program.mixes_rows else [_pad(t, chunking.size, rows) for t in chunk]
            kind = OUTPUTS, *data[0].shape[rows:], shared
            capacity = self.calls.capacity(kind, members)
            arguments = [
                *(flat.padded(capacity) for flat in own),
                *(Flat.of(t) if shared else Flat.of(t).padded(capacity) for t in data),
            ]
            results = self.calls(kind, capacity, function, *arguments, hints=chunking.hints).leaves
            chunks.append([t[:members, : chunk[0].shape[rows]] for t in results])
        outputs, *losses = (torch.cat(parts, 1) for parts in zip(*chunks, strict=True))
        if losses:
            return outputs, losses[0]
        criterion = self.program.criterion
        return outputs, vmap(lambda output, y: by_row(criterion.losses(output, y)), in_dims=(0, dim))(outputs, y)


def _pad(t: Tensor, size: int, dim: int) -> Tensor:
    """Repeat the first row until there are `size` rows."""
    missing = size - t.shape[dim]
    return torch.cat([t, *[t.narrow(dim, 0, 1)] * missing], dim) if missing else t


def divergences(
    losses: Tensor, weights: Sequence[Tensor], names: Sequence[str], members: Sequence[Member]
) -> dict[int, str]:
    """The members whose losses (batch, member) or weights are not finite, each with the reason."""
    finite = torch.stack([torch.isfinite(w).reshape(len(w), -1).all(1) for w in weights])  # (tensor, member)
    if bool(torch.isfinite(losses).all()) and bool(finite.all()):
        return {}
    reasons = {}
    for i, member in enumerate(members):
        non_finite = partial(_non_finite_names, names, finite[:, i])
        reasons[i] = divergence(member.epoch, losses[: len(member.batches), i], non_finite)
    return {i: reason for i, reason in reasons.items() if reason}


def _non_finite_names(names: Sequence[str], finite: Tensor) -> list[str]:
    return [name for name, is_finite in zip(names, finite.tolist(), strict=True) if not is_finite]
