"""How a function of members' tensors is called: mapped; as a graph, or compiled, where many calls lie ahead."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import torch
from torch.utils._pytree import TreeSpec

from goodfit.train.population.graph import PROGRAMS, Program, compiled, mark_of, overwriting, parted, traced
from goodfit.train.population.pytree import Flat

TRIED = 4
"""Mapped calls that are timed before it is decided how to go on; the first one is not counted."""
TRACED, COMPILED = 0.3, 0.8
"""Shares of a mapped call's time that are expected to be saved as a graph, and compiled (measured: docs/benchmarks)."""
TRACING, STARTING, COLD, WARM = 1.0, 6.0, 10.0, 2.0
"""Seconds: to write down a step as a graph; to start the compiler; to compile a step, and to fetch it from the disk."""
OTHERS = 0.25
"""Share of that time for what is no step: an evaluation has a tenth of a step's operations."""
STEP = "step"
Kind = tuple[Hashable, ...]
"""A name (STEP, or another) and what tells shapes and operations of one function from another."""
Stacked = Callable[..., Any]
"""A function of trees of tensors, with a leading dimension for the members, to a tree of tensors."""


@dataclass(frozen=True)
class CallHints:
    """What is known of the calls of a function."""

    still: int | None = None  # the number of an argument that is the same in many of them
    renewed: bool = False  # whether the first results take the place of the first argument, which nobody else has
    often: float = 0.0  # how many there are to a step, if not as many as until now

    def places(self, given: Sequence[Flat]) -> range:
        """The numbers of the tensors that stay the same."""
        if self.still is None:
            return range(0)
        first = sum(len(flat.leaves) for flat in given[: self.still])
        return range(first, first + len(given[self.still].leaves))


@dataclass(frozen=True)
class CompiledCall:
    """A graph or a compiled program that stands for a function."""

    program: Program
    spec: TreeSpec
    once: Program  # what follows from what is still the same
    way: CallHints
    compiled: bool

    def __call__(self, given: Sequence[Flat]) -> Flat:
        """The results for these arguments."""
        tensors = [leaf for flat in given for leaf in flat.leaves]
        if self.way.still is not None:
            tensors += given[self.way.still].computed(self.once)
        made = list(self.program(*tensors))
        return Flat([*given[0].leaves, *made] if self.way.renewed and self.compiled else made, self.spec)


@dataclass
class Form:
    """One function for shapes that are always the same: the same operations in every call."""

    calls: int = 0
    seconds: list[float] = field(default_factory=list)
    quick: CompiledCall | None = None  # in place of the mapped function

    @property
    def compiled(self) -> bool:
        """Whether a compiled program stands for it."""
        return self.quick is not None and self.quick.compiled


class Calls:
    """Calls of functions for many members at once. What has no compiler, or does not last, stays as it is."""

    def __init__(self, threads: int = 0) -> None:
        self.forms: dict[tuple[Kind, int], Form] = {}
        self.threads = threads  # of a compiled program; 0: as many as torch uses
        self.ahead = 0  # steps still to be expected
        self.tried = TRIED
        self.caution = 1.0  # how many times over the time that compiling takes must be expected back
        self.compiles = True  # whether it may compile

    def room(self, kind: Kind, members: int) -> int:
        """For how many members the next call is best made: a quick form that has room for them, if there is one."""
        found = [
            room
            for (other, room), form in list(self.forms.items())
            if form.quick and other == kind and room >= members and (form.compiled or room < 2 * members)
        ]
        return min(found, default=members)

    def __call__(
        self,
        kind: Kind,
        members: int,
        function: Stacked,
        *given: Flat,
        way: CallHints = CallHints(),
    ) -> Flat:
        """The function of trees, for so many members; a kind always has the same function and shapes."""
        form = self.forms.setdefault((kind, members), Form())
        form.calls += 1
        with torch.no_grad():
            if form.quick:
                return form.quick(given)
            began = time.perf_counter()
            made = function(*(flat.tree() for flat in given))
            form.seconds.append(time.perf_counter() - began)
            if len(form.seconds) == self.tried:
                self._settle(form, kind[0], function, given, way)
            return Flat.of(made)

    def may_compile(self, seconds: float) -> bool:
        """Whether mapped calls that take so long altogether may be worth compiling."""
        return (COMPILED - TRACED) * seconds > self.caution * (WARM + STARTING * (not PROGRAMS))

    def _settle(self, form: Form, name: Hashable, function: Stacked, given: Sequence[Flat], way: CallHints) -> None:
        """Decide how further calls are made: by the time that they would take, and what is known to save it."""
        steps = sum(other.calls for (kind, _), other in self.forms.items() if kind[0] == STEP)
        often = way.often or form.calls / max(1, steps)
        ahead = median(form.seconds[1:] or form.seconds) * self.ahead * often
        size = 1.0 if name == STEP else OTHERS
        if TRACED * ahead < TRACING * size:
            return
        graph, leaves, spec = traced(function, given)
        once, graph, values = parted(graph, leaves, way.places(given))
        leaves += values
        program: Program | None = None
        written = overwriting(graph, len(given[0].leaves)) if way.renewed else graph
        mark = mark_of(written, leaves, self.threads)
        cost = 0.0 if mark.name in PROGRAMS else (WARM if mark.exists() else COLD) + STARTING * (not PROGRAMS) / size
        if (self.compiles or not cost) and (COMPILED - TRACED) * ahead > self.caution * cost * size:
            program = compiled(written, leaves, mark, self.threads)
        form.quick = CompiledCall(program or graph, spec, once, way, program is not None)
