"""Calls functions of stacked tensors: mapped by vmap or, if many calls are expected, as a traced or compiled graph."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch
from torch.utils._pytree import TreeSpec

from goodfit.train.population.graph import (
    PROGRAMS,
    Flat,
    GraphFunction,
    cache_marker,
    compile_graph,
    hoist_constants,
    overwrite_arguments,
    trace,
)

TIMED = 4
"""Mapped calls that are timed before further calls are traced or compiled; the first one is not counted."""
TRACED, COMPILED = 0.3, 0.8
"""Shares of a mapped call's time that tracing and compiling are expected to save (measured: docs/benchmarks.md)."""
TRACE_SECONDS, START_SECONDS, COMPILE_SECONDS, CACHED_SECONDS = 1.0, 6.0, 10.0, 2.0
"""Costs: to trace a step; to start the compiler; to compile a step; to load a compiled step from the disk cache."""
OTHER_COST = 0.25
"""The cost of functions other than a step, relative to a step: an evaluation has a tenth of its operations."""
STEP = "step"
CallKind = tuple[Hashable, ...]
"""Identifies a function: its name and everything on which its shapes and operations depend."""
StackedFunction = Callable[..., Any]
"""Maps trees of tensors with a leading member dimension to such a tree."""


@dataclass(frozen=True)
class CallHints:
    """What is known about the calls of a function."""

    constant: int | None = None  # number of an argument that is the same in many calls
    overwrites: bool = False  # whether the first results may be written over the first argument
    per_step: float = 0.0  # calls per training step; 0: as observed so far

    def constant_leaves(self, arguments: Sequence[Flat]) -> range:
        """The positions of the constant argument's tensors."""
        if self.constant is None:
            return range(0)
        first = sum(len(flat.leaves) for flat in arguments[: self.constant])
        return range(first, first + len(arguments[self.constant].leaves))


@dataclass(frozen=True)
class CompiledCall:
    """A traced graph or compiled program in place of a function."""

    program: GraphFunction
    spec: TreeSpec
    constants: GraphFunction  # computes the values that depend on the constant argument alone
    hints: CallHints
    compiled: bool

    def __call__(self, arguments: Sequence[Flat]) -> Flat:
        """The results for these arguments."""
        tensors = [leaf for flat in arguments for leaf in flat.leaves]
        if self.hints.constant is not None:
            tensors += arguments[self.hints.constant].computed(self.constants)
        results = list(self.program(*tensors))
        overwritten = self.hints.overwrites and self.compiled
        return Flat([*arguments[0].leaves, *results] if overwritten else results, self.spec)


@dataclass
class CallRecord:
    """The calls of one function with the same shapes."""

    calls: int = 0
    seconds: list[float] = field(default_factory=list)  # of the mapped calls
    replacement: CompiledCall | None = None  # in place of the mapped function

    @property
    def compiled(self) -> bool:
        """Whether a compiled program replaces the function."""
        return self.replacement is not None and self.replacement.compiled


class Calls:
    """Calls functions for many members at once and decides when to trace or compile them."""

    def __init__(self, threads: int = 0) -> None:
        self.records: dict[tuple[CallKind, int], CallRecord] = {}
        self.threads = threads  # of a compiled program; 0: torch's number
        self.expected_steps = 0  # training steps that are still to come
        self.timed = TIMED
        self.required_gain = 1.0  # the least time that compiling must save, as a multiple of its cost
        self.may_compile = True

    def capacity(self, kind: CallKind, members: int) -> int:
        """The number of members to pad the next call to: that of an existing graph with enough rows, if any."""
        capacities = [
            capacity
            for (other, capacity), record in list(self.records.items())
            if record.replacement and other == kind and capacity >= members
            and (record.compiled or capacity < 2 * members)
        ]  # fmt: skip
        return min(capacities, default=members)

    def __call__(
        self,
        kind: CallKind,
        members: int,
        function: StackedFunction,
        *arguments: Flat,
        hints: CallHints = CallHints(),
    ) -> Flat:
        """The results of the function for this number of members. A kind always has the same function and shapes."""
        record = self.records.setdefault((kind, members), CallRecord())
        record.calls += 1
        with torch.no_grad():
            if record.replacement:
                return record.replacement(arguments)
            began = time.perf_counter()
            results = function(*(flat.tree() for flat in arguments))
            record.seconds.append(time.perf_counter() - began)
            if len(record.seconds) == self.timed:
                self._replace_if_faster(record, kind[0], function, arguments, hints)
            return Flat.of(results)

    def worth_compiling(self, seconds: float) -> bool:
        """Whether compiling may pay for mapped calls that take `seconds` in total."""
        cost = CACHED_SECONDS + START_SECONDS * (not PROGRAMS)
        return (COMPILED - TRACED) * seconds > self.required_gain * cost

    def _replace_if_faster(
        self, record: CallRecord, name: Hashable, function: StackedFunction, arguments: Sequence[Flat], hints: CallHints
    ) -> None:
        """Trace or compile the function if the time that this saves in the expected calls exceeds its cost."""
        steps = sum(other.calls for (kind, _), other in self.records.items() if kind[0] == STEP)
        per_step = hints.per_step or record.calls / max(1, steps)
        expected = median(record.seconds[1:] or record.seconds) * self.expected_steps * per_step
        scale = 1.0 if name == STEP else OTHER_COST
        if TRACED * expected < TRACE_SECONDS * scale:
            return
        graph, leaves, spec = trace(function, arguments)
        constants, graph, values = hoist_constants(graph, leaves, hints.constant_leaves(arguments))
        leaves += values
        program: GraphFunction | None = None
        to_compile = overwrite_arguments(graph, len(arguments[0].leaves)) if hints.overwrites else graph
        marker = cache_marker(to_compile, leaves, self.threads)
        cost = 0.0
        if marker.name not in PROGRAMS:
            cached = CACHED_SECONDS if marker.exists() else COMPILE_SECONDS
            cost = cached + START_SECONDS * (not PROGRAMS) / scale
        pays = (COMPILED - TRACED) * expected > self.required_gain * cost * scale
        if (self.may_compile or not cost) and pays:
            program = compile_graph(to_compile, leaves, marker, self.threads)
        record.replacement = CompiledCall(program or graph, spec, constants, hints, program is not None)
