"""Compression: units and inputs whose weights are all zero are taken out, and a smaller plain network remains."""

from __future__ import annotations

import copy
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from goodfit.errors import InputError
from goodfit.surgery.cut import Cut, apply, fold_norms, idle
from goodfit.surgery.segments import Segment, follow
from goodfit.surgery.tracing import Trace, UntraceableError, trace_graph
from goodfit.surgery.weight_ref import ordered_layers

ROWS = 256
"""Rows of noise that a network is tried on where no sample is given."""


class HasModel(Protocol):
    """What has a trained network, for instance a `Run`."""

    model: nn.Module


class SelectInputs(nn.Module):
    """Passes on the inputs that a smaller network uses.

    Shape: (batch, …) → the numbers `index` of each row, flattened, or of its dimension `dim`.
    """

    index: Tensor

    def __init__(self, index: Tensor, dim: int, flatten: bool = False) -> None:
        super().__init__()
        self.dim, self.flatten = dim, flatten
        self.register_buffer("index", index)

    def forward(self, x: Tensor) -> Tensor:
        """The chosen inputs."""
        return (x.flatten(1) if self.flatten else x).index_select(self.dim, self.index)


@dataclass(frozen=True, eq=False)
class Compressed:
    """A smaller network that puts out what the given one does, and what was taken out."""

    model: nn.Module
    inputs: Tensor | None
    """The inputs that it uses: numbers of features (of the flattened row) or of channels; None: all."""
    inputs_before: int | None
    """The number of inputs that `inputs` counts; None where they are all kept."""
    units: Mapping[str, tuple[int, int]]
    """Layer → its units before and after, where some were removed."""
    kept: Mapping[str, str]
    """Layer (or `inputs`) → why its units had to stay."""
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
        """How many times fewer parameters it has."""
        return self.parameters_before / max(1, self.parameters_after)

    @property
    def speed(self) -> float:
        """How many times as fast it is on the sample."""
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
    """Remove the units and inputs whose weights are all zero; the outputs in evaluation stay the same, to rounding.

    A unit goes where no weight leaves it; where no weight enters it (or its batch norm's scale is zero), its constant
    output goes into the biases behind it. An input goes where no weight leaves it: the smaller network then starts
    with `SelectInputs` and takes the same inputs as before. Batch norms that a recipe inserted are folded into their
    layers. Only what the network's graph shows for certain is changed; every change is tried on the sample and on
    noise, and taken back where the outputs move. The given network is left as it is.

    Shape: sample: some rows of the network's input (rows, …); without it, noise is used where the shape is known.

    >>> net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    >>> with torch.no_grad():
    ...     _ = net[0].weight[:, 1].zero_(), net[0].weight[0].zero_(), net[2].weight[:, 3].zero_()
    >>> small = compress(net)
    >>> small.inputs.tolist(), small.removed, small.parameters_before, small.parameters_after
    ([0, 2], {'0': 2}, 26, 12)
    >>> bool(torch.allclose(small.model(torch.ones(1, 3)), net(torch.ones(1, 3)), atol=1e-6))
    True

    Raises:
        InputError: the shape of the network's input is not known, or it does not take the sample.
    """
    given = run_or_model if isinstance(run_or_model, nn.Module) else run_or_model.model
    with torch.random.fork_rng(), torch.no_grad():
        before = copy.deepcopy(given).eval()
        rows = _sample(run_or_model, before) if sample is None else sample
        work = _Work(copy.deepcopy(before), _Judge.of(before, rows))
        work.shrink(rows)
        seconds = _seconds(before, work.model, rows)
    large, small = (sum(p.numel() for p in model.parameters()) for model in (before, work.model))
    parts = (work.model, work.inputs, work.inputs_before, work.units, work.reasons)
    return Compressed(*parts, large, small, *seconds)


@dataclass(frozen=True, eq=False)
class _Judge:
    """Says whether a network still puts out what the given one does."""

    rows: list[Tensor]
    expected: list[list[Tensor]]
    repeats: bool

    @classmethod
    def of(cls, model: nn.Module, sample: Tensor) -> _Judge:
        noise = torch.Generator(sample.device).manual_seed(0)
        rows = [sample]
        if sample.is_floating_point():
            rows.append(torch.empty_like(sample).normal_(generator=noise))
        try:
            expected, again = ([list(_tensors(model(x))) for x in rows] for _ in range(2))
        except Exception as error:  # the network's own code runs here and may raise anything
            said = (str(error).splitlines() or [""])[0]
            raise InputError(
                f"compress: the network must take the sample, got rows of shape {tuple(sample.shape[1:])} and "
                f"{type(error).__name__} ({said}); give sample=, some rows of its input."
            ) from error
        judge = cls(rows, expected, True)
        return cls(rows, expected, all(map(judge._close, expected, again)))

    def same(self, model: nn.Module) -> bool:
        try:
            return all(self._close(e, list(_tensors(model(x)))) for e, x in zip(self.expected, self.rows, strict=True))
        except (RuntimeError, ValueError, IndexError, TypeError):  # sizes written into the network's own code
            return False

    @staticmethod
    def _close(expected: list[Tensor], got: list[Tensor]) -> bool:
        return len(expected) == len(got) and all(
            e.shape == g.shape and torch.allclose(g, e, rtol=0, atol=_rounding(e), equal_nan=True)
            for e, g in zip(expected, got, strict=True)
        )


def _rounding(x: Tensor) -> float:
    """How far outputs may move: the square root of the precision, of the largest of them."""
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
class _Work:
    """A copy of the network that becomes smaller, one change after another, each of which is judged."""

    model: nn.Module
    judge: _Judge
    units: dict[str, tuple[int, int]] = field(default_factory=dict)
    reasons: dict[str, str] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    inputs: Tensor | None = None
    inputs_before: int | None = None

    def shrink(self, sample: Tensor) -> None:
        if not self.judge.repeats:
            self.reasons["the network"] = "what it puts out differs from one call to the next"
            return
        self._fold_norms()
        try:
            trace = trace_graph(self.model)
            while self._round(trace, sample):
                pass
        except UntraceableError as reason:
            self.reasons["the network"] = f"its forward pass cannot be traced ({reason})"

    def _fold_norms(self) -> None:
        before = copy.deepcopy(self.model)
        fold_norms(self.model)
        if not self.judge.same(self.model):
            self.model = before

    def _round(self, trace: Trace, sample: Tensor) -> bool:
        """One pass over all segments; whether any unit went. The inputs come last, when all units are gone."""
        segments, reasons = follow(trace, self.model, sample)
        self.reasons = reasons | self.refused
        hidden = [segment for segment in segments if segment.source not in (None, *self.refused)]
        if sum(self._remove(segment) for segment in hidden):
            return True
        for segment in segments:
            if segment.source is None:
                self._select(segment)
        return False

    def _remove(self, segment: Segment) -> bool:
        name, cut = str(segment.source), idle(self.model, segment)
        if cut.removes and not self._tried(segment, cut):
            self.refused[name] = self.reasons[name] = "without its idle units the outputs would differ"
            return False
        if cut.removes:
            before, _ = self.units.get(name, (segment.units, 0))
            self.units[name] = before, int(cut.keep.sum())
        elif cut.stuck:
            self.reasons[name] = f"{cut.stuck} constant units stay: no bias of '{segment.target}' can stand for them"
        return cut.removes

    def _tried(self, segment: Segment, cut: Cut) -> bool:
        """Take the units out; put them back, and say no, where the outputs differ."""
        changed = [n for n in (segment.source, *(name for name, _ in segment.between), segment.target) if n is not None]
        before = {name: copy.deepcopy(self.model.get_submodule(name)) for name in changed}
        apply(self.model, segment, cut)
        same = self.judge.same(self._whole(segment, cut))
        if not same:
            for name, module in before.items():
                self.model.set_submodule(name, module)
        return same

    def _whole(self, segment: Segment, cut: Cut) -> nn.Module:
        """The network, with a choice of inputs in front of it where those were cut."""
        if segment.source is not None:
            return self.model
        index = cut.keep.nonzero().flatten().to(self.judge.rows[0].device)
        flat = segment.along == "all" and self.judge.rows[0].ndim > 2
        front = SelectInputs(index, -1 if segment.along == "last" else 1, flat)
        return nn.Sequential(OrderedDict(inputs=front, network=self.model)).eval()

    def _select(self, segment: Segment) -> None:
        cut = idle(self.model, segment)
        if cut.removes and self._tried(segment, cut):
            self.inputs, self.inputs_before = cut.keep.nonzero().flatten(), segment.units
            self.model = self._whole(segment, cut)
        elif cut.removes:
            self.reasons["inputs"] = "without the idle ones the outputs would differ"


def _sample(given: Any, model: nn.Module) -> Tensor:
    """Noise of the network's input shape: that of a run's data, or of a linear first layer."""
    layers = [layer for _, layer in ordered_layers(model)]
    shape = getattr(getattr(given, "spec", None), "input_shape", None)
    if shape is None and layers and isinstance(layers[0], nn.Linear):
        shape = (layers[0].in_features,)
    if shape is None:
        first = f"a network that starts with {type(layers[0]).__name__}" if layers else "this network"
        raise InputError(f"compress: the input shape of {first} is not known; give sample=, some rows of its input.")
    like = next(model.parameters())
    noise = torch.Generator(like.device).manual_seed(0)
    return torch.empty(ROWS, *shape, dtype=like.dtype, device=like.device).normal_(generator=noise)


def _seconds(before: nn.Module, after: nn.Module, sample: Tensor) -> tuple[float, float]:
    """Median seconds of forward passes, taken in turns, so that a busy machine slows both."""
    taken: tuple[list[float], list[float]] = ([], [])
    began = time.perf_counter()
    while len(taken[0]) < 25 and (len(taken[0]) < 6 or time.perf_counter() - began < 1):
        for model, seconds in zip((before, after), taken, strict=True):
            start = time.perf_counter()
            model(sample)
            if sample.is_cuda:
                torch.cuda.synchronize(sample.device)
            seconds.append(time.perf_counter() - start)
    return median(taken[0][1:]), median(taken[1][1:])
