"""How a program is called: mapped over its members at first; where many calls lie ahead, as a graph, or compiled."""

from __future__ import annotations

import hashlib
import logging
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap
from torch.fx import GraphModule
from torch.utils._pytree import TreeSpec, tree_flatten, tree_unflatten

from goodfit.train.evaluate import ROWS
from goodfit.train.population.program import Moment, Program, State

LOG = logging.getLogger("goodfit")
TRIED = 4
"""Mapped calls that are timed before it is decided how to go on; the first one is not counted."""
TRACED, COMPILED = 0.35, 0.75
"""Shares of a mapped call's time that are expected to be saved as a graph, and compiled (measured: docs/benchmarks)."""
TRACING, COLD, WARM = 1.0, 20.0, 4.0
"""Seconds: to write down a graph; to compile it the first time on a machine, and from torch's cache on disk."""

PIECE = 256
"""Rows that are evaluated at a time on a CPU, so that the activations of all members stay in its cache."""

Leaves = Sequence[Tensor]
Stepped = tuple[State, Tensor]


@dataclass
class Form:
    """A program for so many members, a batch size and a moment: the same operations in every call."""

    calls: int = 0
    seconds: list[float] = field(default_factory=list)
    quick: Callable[[Leaves], Stepped] | None = None  # in place of the mapped program
    compiled: bool = False


class Calls:
    """Calls of a program for many members at once. What has no compiler, or does not last, stays as it is."""

    def __init__(self) -> None:
        self.forms: dict[tuple[int, int, Moment], Form] = {}
        self.ahead = 0  # calls still to be expected
        self.tried = TRIED
        self.caution = 1.0  # how many times over the time that compiling takes must be expected back

    def room(self, members: int, size: int, moment: Moment) -> int:
        """For how many members the next call is best made: a quick form that has room for them, if there is one."""
        found = [
            room
            for (room, *others), form in self.forms.items()
            if form.quick and others == [size, moment] and room >= members and (form.compiled or room < 2 * members)
        ]
        return min(found, default=members)

    def __call__(
        self, program: Program, members: int, size: int, moment: Moment, state: State, given: dict[str, Any]
    ) -> Stepped:
        """One step of the members; their next state, and their losses (members,)."""
        form = self.forms.setdefault((members, size, moment), Form())
        form.calls += 1
        step = partial(program.step, moment=moment)
        with torch.no_grad():
            if form.quick:
                return form.quick(_leaves(state, given)[0])
            began = time.perf_counter()
            stepped: Stepped = vmap(step)(state, given)
            if form.calls <= self.tried:
                form.seconds.append(time.perf_counter() - began)
            if form.calls == self.tried:
                self._settle(form, step, state, given)
            return stepped

    def _settle(self, form: Form, step: Callable[..., Stepped], state: State, given: dict[str, Any]) -> None:
        """Decide how further calls are made: by the time that they would take, and what is known to save it."""
        mapped = median(form.seconds[1:] or form.seconds)
        ahead = mapped * self.ahead * form.calls / sum(other.calls for other in self.forms.values())
        if TRACED * ahead < TRACING:
            return
        graph, leaves, spec = traced(step, state, given)
        mark = _mark(graph, leaves)
        program: Callable[..., Any] = graph
        if COMPILED * ahead > self.caution * (WARM if mark.exists() else COLD):
            made = compiled(graph, leaves, mark)
            program, form.compiled = made or graph, made is not None
        form.quick = lambda tensors: tree_unflatten(list(program(*tensors)), spec)

    def outputs(
        self, program: Program, weights: list[Tensor], buffers: dict[str, Tensor], x: Tensor, shared: bool
    ) -> Tensor:
        """The members' outputs in evaluation mode (members, rows, outputs), for rows x that they share or have each."""
        mapped = vmap(program.outputs, in_dims=(0, 0, None if shared else 0))
        pieces = x.split(PIECE if weights[0].device.type == "cpu" else ROWS, dim=0 if shared else 1)
        with torch.no_grad():
            return torch.cat([mapped(weights, _copied(buffers), piece) for piece in pieces], 1)


def traced(
    step: Callable[..., Stepped], state: State, given: dict[str, Any]
) -> tuple[GraphModule, list[Any], TreeSpec]:
    """The step of all members as a graph of plain operations; its arguments, and how its results are put together."""
    from torch.fx.experimental.proxy_tensor import make_fx

    leaves, spec = _leaves(state, given)
    made: list[TreeSpec] = []

    def flat(*tensors: Tensor) -> list[Tensor]:
        found, out = tree_flatten(vmap(step)(*tree_unflatten(list(tensors), spec)))
        made.append(out)
        return found

    return make_fx(flat)(*leaves), leaves, made[0]


def compiled(graph: GraphModule, leaves: list[Any], mark: Path) -> Callable[..., Any] | None:
    """The graph as one compiled program; None where there is no compiler, or it fails."""
    began = time.perf_counter()
    try:
        from torch._inductor import standalone_compile

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the compiler's own
            program: Callable[..., Any] = standalone_compile(graph, leaves, dynamic_shapes="from_example_inputs")
            program(*leaves)
    except Exception as error:  # noqa: BLE001 - whatever a compiler dislikes, the graph does the same, slower
        LOG.info("goodfit: the population is not compiled (%s)", str(error).strip().splitlines()[:1])
        return None
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(f"{time.perf_counter() - began:.1f} s\n")
    return program


def _leaves(state: State, given: dict[str, Any]) -> tuple[list[Any], TreeSpec]:
    """The tensors of a call, all laid out alike: compiled programs count on it."""
    leaves, spec = tree_flatten((state, given))
    return [leaf.contiguous() for leaf in leaves], spec


def _mark(graph: GraphModule, leaves: Leaves) -> Path:
    """The file beside torch's cache of compiled programs that tells that it holds this one."""
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    kinds = [(tuple(t.shape), t.stride(), t.dtype, t.device) for t in leaves]
    text = f"{torch.__version__} {torch.get_num_threads()} {kinds} {graph.code}"
    return Path(cache_dir()) / "goodfit" / hashlib.sha256(text.encode()).hexdigest()[:32]


def _copied(buffers: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in buffers.items()}
