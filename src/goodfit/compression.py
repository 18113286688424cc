"""Compression: remove the units and inputs whose weights are all zero, so that a smaller network remains."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from goodfit.errors import InputError
from goodfit.ops.sampling import normal_like
from goodfit.surgery.copies import copy_module
from goodfit.surgery.pruning import Pruning, fold_batch_norms, plan_pruning, prune_units
from goodfit.surgery.segments import Segment, find_segments
from goodfit.surgery.tracing import Trace, UntraceableError, trace_graph
from goodfit.surgery.weight_ref import ordered_layers

ROWS = 256
"""Number of random rows on which a network is tested if no sample is given."""


class HasModel(Protocol):
    """An object with a trained network, for instance a `Run`."""

    model: nn.Module


class SelectInputs(nn.Module):
    """Selects the inputs that a smaller network uses.

    Shape: (batch, …) → the indices `index` along dimension `dim`, after flattening the rows if `flatten` is set.
    """

    index: Tensor

    def __init__(self, index: Tensor, dim: int, flatten: bool = False) -> None:
        super().__init__()
        self.dim, self.flatten = dim, flatten
        self.register_buffer("index", index)

    def forward(self, x: Tensor) -> Tensor:
        """The selected inputs."""
        return (x.flatten(1) if self.flatten else x).index_select(self.dim, self.index)


@dataclass(frozen=True, eq=False)
class Compressed:
    """A smaller network with the same outputs as the original one, and a record of what was removed."""

    model: nn.Module
    inputs: Tensor | None
    """Indices of the inputs that it uses: of features (of the flattened row) or of channels; None: all inputs."""
    inputs_before: int | None
    """Original number of inputs, in the unit of `inputs`; None if all are kept."""
    units: Mapping[str, tuple[int, int]]
    """Layer → its numbers of units before and after; only layers that lost units."""
    kept: Mapping[str, str]
    """Layer (or `inputs`) → the reason why its units were kept."""
    parameters_before: int
    parameters_after: int
    seconds_before: float
    """Median seconds of a forward pass on the sample."""
    seconds_after: float

    @property
    def removed(self) -> dict[str, int]:
        """Layer → the number of units removed."""
        return {name: before - after for name, (before, after) in self.units.items()}

    @property
    def ratio(self) -> float:
        """Number of parameters before, divided by the number after."""
        return self.parameters_before / max(1, self.parameters_after)

    @property
    def speed(self) -> float:
        """Time of a forward pass on the sample before, divided by the time after."""
        return self.seconds_before / self.seconds_after

    def __str__(self) -> str:
        rows = [("", "before", "after")]
        if self.inputs is not None:
            rows.append(("inputs", f"{self.inputs_before:,}", f"{len(self.inputs):,}"))
        rows += [(f"units of {name or 'the network'}", f"{a:,}", f"{b:,}") for name, (a, b) in self.units.items()]
        rows.append(("parameters", f"{self.parameters_before:,}", f"{self.parameters_after:,}"))
        rows.append(("forward pass", f"{self.seconds_before * 1e3:.3g} ms", f"{self.seconds_after * 1e3:.3g} ms"))
        wide = [max(len(row[column]) for row in rows) for column in range(3)]
        lines = [f"{a:<{wide[0]}}  {b:>{wide[1]}}  {c:>{wide[2]}}" for a, b, c in rows]
        lines.append(f"{self.ratio:.3g} times fewer parameters, {self.speed:.3g} times as fast")
        return "\n".join(lines + [f"kept: {name}: {reason}" for name, reason in self.kept.items()])


def compress(run_or_model: nn.Module | HasModel, *, sample: Tensor | None = None) -> Compressed:
    """Remove the units and inputs whose weights are all zero; the outputs in evaluation mode stay equal up to rounding.

    A unit is removed if all its outgoing weights are zero. If all its incoming weights (or the scale of its batch norm)
    are zero, its constant output is added to the biases of the next layer. An input is removed if all its outgoing
    weights are zero: the smaller network then starts with `SelectInputs` and accepts the same inputs as before. Batch
    norms that a recipe inserted are folded into their layers. Only units that can be followed with certainty in the
    network's graph are removed. Every change is tested on the sample and on random rows, and undone if the outputs
    change. The given network is not modified.

    Shape: sample: some rows of the network's input (rows, …); by default random rows, if the input shape is known.

    >>> net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    >>> with torch.no_grad():
    ...     _ = net[0].weight[:, 1].zero_(), net[0].weight[0].zero_(), net[2].weight[:, 3].zero_()
    >>> small = compress(net)
    >>> small.inputs.tolist(), small.removed, small.parameters_before, small.parameters_after
    ([0, 2], {'0': 2}, 26, 12)
    >>> bool(torch.allclose(small.model(torch.ones(1, 3)), net(torch.ones(1, 3)), atol=1e-6))
    True

    Raises:
        InputError: it gets neither a network nor a run, the network's input shape is unknown, or the network does not
            accept the sample.
    """
    model = run_or_model if isinstance(run_or_model, nn.Module) else getattr(run_or_model, "model", None)
    if not isinstance(model, nn.Module):
        raise InputError(
            f"compress: run_or_model must be a network or a run, got {run_or_model!r}; pass a torch.nn.Module or the "
            "result of fit."
        )
    with torch.random.fork_rng(), torch.no_grad():
        before = copy_module(model).eval()
        rows = _random_rows(run_or_model, before) if sample is None else sample
        compressor = _Compressor(copy_module(before), _OutputCheck.of(before, rows))
        compressor.compress(rows)
        seconds = _seconds(before, compressor.model, rows)
    large, small = (sum(p.numel() for p in model.parameters()) for model in (before, compressor.model))
    parts = (compressor.model, compressor.inputs, compressor.inputs_before, compressor.units, compressor.reasons)
    return Compressed(*parts, large, small, *seconds)


@dataclass(frozen=True, eq=False)
class _OutputCheck:
    """Checks whether a network still has the outputs of the original one."""

    rows: list[Tensor]
    expected: list[list[Tensor]]
    deterministic: bool

    @classmethod
    def of(cls, model: nn.Module, sample: Tensor) -> _OutputCheck:
        noise = torch.Generator(sample.device).manual_seed(0)
        rows = [sample]
        if sample.is_floating_point():
            rows.append(normal_like(sample, noise))
        try:
            expected, repeated = ([list(_tensors(model(x))) for x in rows] for _ in range(2))
        except Exception as error:  # this runs the user's code, which may raise anything
            reason = (str(error).splitlines() or [""])[0]
            raise InputError(
                f"compress: the network must accept the sample, got rows of shape {tuple(sample.shape[1:])} and "
                f"{type(error).__name__} ({reason}); pass some rows of its input as sample=."
            ) from error
        deterministic = all(map(cls._close, expected, repeated))
        return cls(rows, expected, deterministic)

    def passes(self, model: nn.Module) -> bool:
        try:
            return all(self._close(e, list(_tensors(model(x)))) for e, x in zip(self.expected, self.rows, strict=True))
        except (RuntimeError, ValueError, IndexError, TypeError):  # the user's code may contain fixed sizes
            return False

    @staticmethod
    def _close(expected: list[Tensor], outputs: list[Tensor]) -> bool:
        return len(expected) == len(outputs) and all(
            e.shape == o.shape and torch.allclose(o, e, rtol=0, atol=_tolerance(e), equal_nan=True)
            for e, o in zip(expected, outputs, strict=True)
        )


def _tolerance(x: Tensor) -> float:
    """How far outputs may change: the square root of the machine precision, relative to the largest output."""
    if not x.is_floating_point() or not x.numel():
        return 0.0
    finite = x[x.isfinite()]
    eps = torch.finfo(x.dtype).eps
    return float(eps**0.5 * finite.abs().max() + eps) if finite.numel() else 0.0


def _tensors(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping | list | tuple):
        for part in output.values() if isinstance(output, Mapping) else output:
            yield from _tensors(part)


@dataclass(eq=False)
class _Compressor:
    """Makes a copy of the network smaller, one change at a time, and checks the outputs after each change."""

    model: nn.Module
    check: _OutputCheck
    units: dict[str, tuple[int, int]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    inputs: Tensor | None = None
    inputs_before: int | None = None

    def compress(self, sample: Tensor) -> None:
        if not self.check.deterministic:
            self.reasons["the network"] = "its outputs differ from one call to the next"
            return
        self._fold_batch_norms()
        try:
            trace = trace_graph(self.model)
            while self._remove_units(trace, sample):
                pass
        except UntraceableError as reason:
            self.reasons["the network"] = f"its forward pass cannot be traced ({reason})"

    def _fold_batch_norms(self) -> None:
        before = copy_module(self.model)
        fold_batch_norms(self.model)
        if not self.check.passes(self.model):
            self.model = before

    def _remove_units(self, trace: Trace, sample: Tensor) -> bool:
        """Try all segments once; returns whether any unit was removed. Inputs follow when no more units can go."""
        segments, reasons = find_segments(trace, self.model, sample)
        self.reasons = reasons | self.refused
        hidden = [segment for segment in segments if segment.source not in (None, *self.refused)]
        if sum(self._remove_from(segment) for segment in hidden):
            return True
        for segment in segments:
            if segment.source is None:
                self._remove_inputs(segment)
        return False

    def _remove_from(self, segment: Segment) -> bool:
        name, pruning = str(segment.source), plan_pruning(self.model, segment)
        if pruning.removes and not self._try(segment, pruning):
            self.refused[name] = self.reasons[name] = "without its unused units the outputs would differ"
            return False
        if pruning.removes:
            before, _ = self.units.get(name, (segment.units, 0))
            self.units[name] = before, int(pruning.keep.sum())
        elif pruning.unfoldable:
            self.reasons[name] = (
                f"{pruning.unfoldable} constant units are kept: a bias of '{segment.target}' cannot replace them"
            )
        return pruning.removes

    def _try(self, segment: Segment, pruning: Pruning) -> bool:
        """Remove the units; if the outputs differ, restore them and return False."""
        changed = [n for n in (segment.source, *(name for name, _ in segment.between), segment.target) if n is not None]
        before = {name: copy_module(self.model.get_submodule(name)) for name in changed}
        prune_units(self.model, segment, pruning)
        same = self.check.passes(self._with_input_selection(segment, pruning))
        if not same:
            for name, module in before.items():
                self.model.set_submodule(name, module)
        return same

    def _with_input_selection(self, segment: Segment, pruning: Pruning) -> nn.Module:
        """The network, preceded by `SelectInputs` if the segment starts at its inputs."""
        if segment.source is not None:
            return self.model
        index = pruning.keep.nonzero().flatten().to(self.check.rows[0].device)
        flat = segment.along == "all" and self.check.rows[0].ndim > 2
        select = SelectInputs(index, -1 if segment.along == "last" else 1, flat)
        return nn.Sequential(OrderedDict(inputs=select, network=self.model)).eval()

    def _remove_inputs(self, segment: Segment) -> None:
        pruning = plan_pruning(self.model, segment)
        if pruning.removes and self._try(segment, pruning):
            self.inputs, self.inputs_before = pruning.keep.nonzero().flatten(), segment.units
            self.model = self._with_input_selection(segment, pruning)
        elif pruning.removes:
            self.reasons["inputs"] = "without the unused inputs the outputs would differ"


def _random_rows(run_or_model: Any, model: nn.Module) -> Tensor:
    """Random rows of the network's input shape, which is that of the run's data or of a linear first layer."""
    layers = [layer for _, layer in ordered_layers(model)]
    shape = getattr(getattr(run_or_model, "spec", None), "input_shape", None)
    if shape is None and layers and isinstance(layers[0], nn.Linear):
        shape = (layers[0].in_features,)
    if shape is None:
        first = f"a network that starts with {type(layers[0]).__name__}" if layers else "this network"
        raise InputError(f"compress: the input shape of {first} must be known; pass some rows of its input as sample=.")
    like = next(model.parameters())
    noise = torch.Generator(like.device).manual_seed(0)
    return torch.empty(ROWS, *shape, dtype=like.dtype, device=like.device).normal_(generator=noise)


def _seconds(before: nn.Module, after: nn.Module, sample: Tensor) -> tuple[float, float]:
    """Median seconds of alternating forward passes; alternation lets other load on the machine slow both."""
    times: tuple[list[float], list[float]] = ([], [])
    began = time.perf_counter()
    while len(times[0]) < 25 and (len(times[0]) < 6 or time.perf_counter() - began < 1):
        for model, seconds in zip((before, after), times, strict=True):
            start = time.perf_counter()
            model(sample)
            if sample.is_cuda:
                torch.cuda.synchronize(sample.device)
            seconds.append(time.perf_counter() - start)
    return median(times[0][1:]), median(times[1][1:])
