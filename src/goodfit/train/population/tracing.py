"""How a function of members' tensors is called: mapped; as a graph, or compiled, where many calls lie ahead."""

from __future__ import annotations

import hashlib
import logging
import threading
import time
import warnings
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule
from torch.utils._pytree import TreeSpec, tree_unflatten

from goodfit.train.population.stacking import Flat

LOG = logging.getLogger("goodfit")
TRIED = 4
"""Mapped calls that are timed before it is decided how to go on; the first one is not counted."""
TRACED, COMPILED = 0.35, 0.75
"""Shares of a mapped call's time that are expected to be saved as a graph, and compiled (measured: docs/benchmarks)."""
TRACING, COLD, WARM = 1.0, 20.0, 4.0
"""Seconds: to write down a step as a graph; to compile it for the first time, and from torch's cache on disk."""
OTHERS = 0.25
"""Share of that time for what is no step: an evaluation has a tenth of a step's operations."""
KEPT = 64
"""Compiled programs that a process keeps, for calls that come later."""

STEP = "step"
Kind = tuple[Hashable, ...]
"""A name (STEP, or another) and what tells shapes and operations of one function from another."""
Leaves = Sequence[Tensor]
Stacked = Callable[..., Any]
"""A function of trees of tensors, with a leading dimension for the members, to a tree of tensors."""

PROGRAMS: dict[str, Callable[..., Any]] = {}
"""The compiled programs of this process, by what is compiled."""


@dataclass
class Form:
    """One function for shapes that are always the same: the same operations in every call."""

    calls: int = 0
    seconds: list[float] = field(default_factory=list)
    quick: Callable[[Leaves], Flat] | None = None  # in place of the mapped function
    compiled: bool = False


class Calls:
    """Calls of functions for many members at once. What has no compiler, or does not last, stays as it is.

    Several threads may call: mapped ones take turns, compiled ones run side by side.
    """

    def __init__(self, threads: int = 0) -> None:
        self.forms: dict[tuple[Kind, int], Form] = {}
        self.threads = threads  # of a compiled program; 0: as many as torch uses
        self.ahead = 0  # steps still to be expected
        self.tried = TRIED
        self.caution = 1.0  # how many times over the time that compiling takes must be expected back
        self.turn = threading.RLock()

    def room(self, kind: Kind, members: int) -> int:
        """For how many members the next call is best made: a quick form that has room for them, if there is one."""
        found = [
            room
            for (other, room), form in list(self.forms.items())
            if form.quick and other == kind and room >= members and (form.compiled or room < 2 * members)
        ]
        return min(found, default=members)

    def __call__(self, kind: Kind, members: int, function: Stacked, *given: Flat) -> Flat:
        """The function of trees, for so many members; a kind always has the same function and shapes."""
        form = self.forms.setdefault((kind, members), Form())
        form.calls += 1
        with torch.no_grad():
            if form.quick:
                return form.quick([leaf for flat in given for leaf in flat.leaves])
            with self.turn:
                began = time.perf_counter()
                made = function(*(flat.tree() for flat in given))
                form.seconds.append(time.perf_counter() - began)
                if len(form.seconds) == self.tried:
                    self._settle(form, kind[0], function, given)
                return Flat.of(made)

    def may_compile(self, seconds: float) -> bool:
        """Whether mapped calls that take so long altogether may be worth compiling."""
        return (COMPILED - TRACED) * seconds > self.caution * WARM

    def _settle(self, form: Form, name: Hashable, function: Stacked, given: Sequence[Flat]) -> None:
        """Decide how further calls are made: by the time that they would take, and what is known to save it."""
        mapped = median(form.seconds[1:] or form.seconds)
        steps = sum(other.calls for (kind, _), other in self.forms.items() if kind[0] == STEP)
        ahead = mapped * self.ahead * form.calls / max(1, steps)
        size = 1.0 if name == STEP else OTHERS
        if TRACED * ahead < TRACING * size:
            return
        graph, leaves, spec = traced(function, given)
        program: Callable[..., Any] | None = None
        mark = _mark(graph, leaves, self.threads)
        cost = 0.0 if mark.name in PROGRAMS else WARM if mark.exists() else COLD
        if (COMPILED - TRACED) * ahead > self.caution * cost * size:
            program = compiled(graph, leaves, mark, self.threads)
        form.compiled = program is not None
        called = program or graph
        form.quick = lambda tensors: Flat(list(called(*tensors)), spec)


def traced(function: Stacked, given: Sequence[Flat]) -> tuple[GraphModule, list[Tensor], TreeSpec]:
    """A function as a graph of plain operations; its arguments, and how its results are put together."""
    from torch.fx.experimental.proxy_tensor import make_fx

    made: list[TreeSpec] = []

    def flat(*tensors: Tensor) -> list[Tensor]:
        left = iter(tensors)
        found = Flat.of(function(*(tree_unflatten([next(left) for _ in f.leaves], f.spec) for f in given)))
        made.append(found.spec)
        return found.leaves

    leaves = [leaf for f in given for leaf in f.leaves]
    return make_fx(flat)(*leaves), leaves, made[0]


def compiled(graph: GraphModule, leaves: list[Any], mark: Path, threads: int) -> Callable[..., Any] | None:
    """The graph as one compiled program; None where there is no compiler, or it fails."""
    if mark.name in PROGRAMS:
        return PROGRAMS[mark.name]
    began = time.perf_counter()
    try:
        from torch._inductor import config, standalone_compile

        # On a CPU, a program in C++ from end to end does not hold Python's lock.
        how = {"cpp_wrapper": leaves[0].device.type == "cpu"} | ({"cpp.threads": threads} if threads else {})
        with warnings.catch_warnings(), config.patch(how):
            warnings.simplefilter("ignore")  # of the compiler's own
            program: Callable[..., Any] = standalone_compile(graph, leaves, dynamic_shapes="from_example_inputs")
            program(*leaves)
    except Exception as error:  # noqa: BLE001 - whatever a compiler dislikes, the graph does the same, slower
        LOG.info("goodfit: the population is not compiled (%s)", str(error).strip().splitlines()[:1])
        return None
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(f"{time.perf_counter() - began:.1f} s\n")
    if len(PROGRAMS) >= KEPT:
        PROGRAMS.pop(next(iter(PROGRAMS)))
    PROGRAMS[mark.name] = program
    return program


def _mark(graph: GraphModule, leaves: Leaves, threads: int) -> Path:
    """The file beside torch's cache of compiled programs that tells that it holds this one."""
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    kinds = [(tuple(t.shape), t.stride(), t.dtype, t.device) for t in leaves]
    text = f"{torch.__version__} {threads or torch.get_num_threads()} {kinds} {graph.code}"
    found = hashlib.sha256(text.encode())
    for node in graph.graph.nodes:
        if node.op == "get_attr":  # values that are part of the program: frozen weights, weights of classes
            value = getattr(graph, node.target)
            found.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return Path(cache_dir()) / "goodfit" / found.hexdigest()[:32]
