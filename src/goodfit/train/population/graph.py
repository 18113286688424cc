"""A function of tensors as a graph of plain operations: what of it is done once, what is written in place; compiled."""

from __future__ import annotations

import hashlib
import logging
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.fx import Graph, GraphModule, Node
from torch.fx.node import map_arg
from torch.utils._pytree import TreeSpec, tree_unflatten

from goodfit.train.population.pytree import Flat

LOG = logging.getLogger("goodfit")
KEPT = 64
"""Compiled programs that a process keeps, for calls that come later."""

Leaves = Sequence[Tensor]
Program = Callable[..., Any]
"""Tensors to a sequence of tensors."""

PROGRAMS: dict[str, Program] = {}
"""The compiled programs of this process, by what is compiled."""


def traced(function: Callable[..., Any], given: Sequence[Flat]) -> tuple[GraphModule, list[Tensor], TreeSpec]:
    """A function as a graph without side effects; its arguments, and how its results are put together."""
    from torch.func import functionalize
    from torch.fx.experimental.proxy_tensor import make_fx

    made: list[TreeSpec] = []

    def flat(*tensors: Tensor) -> list[Tensor]:
        left = iter(tensors)
        found = Flat.of(function(*(tree_unflatten([next(left) for _ in f.leaves], f.spec) for f in given)))
        made.append(found.spec)
        return found.leaves

    leaves = [leaf for f in given for leaf in f.leaves]
    return make_fx(functionalize(flat))(*leaves), leaves, made[0]


def parted(graph: GraphModule, leaves: Leaves, still: range) -> tuple[GraphModule, GraphModule, list[Tensor]]:
    """What follows from the still leaves alone, and the rest, which takes that behind all leaves; with its values.

    Only small numbers are taken out: at most as many to a tensor as a still leaf has.
    """
    nodes = list(graph.graph.nodes)
    places = [node for node in nodes if node.op == "placeholder"]
    values: dict[Node, Any] = {places[i]: leaves[i] for i in still}
    most = max((leaves[i].numel() for i in still), default=0)
    for node in nodes:
        if node.op == "get_attr":
            values[node] = getattr(graph, node.target)
        elif node.op == "call_function" and all(n in values for n in node.all_input_nodes) and not _random(node):
            args, kwargs = map_arg((node.args, node.kwargs), values.__getitem__)
            made = node.target(*args, **kwargs)
            if isinstance(made, Tensor) and made.numel() <= most:
                values[node] = made
    border = [node for node in values if node.op == "call_function" and any(user not in values for user in node.users)]
    once, env = Graph(), dict[Node, Node]()
    for node in nodes:
        if node in values:
            env[node] = once.node_copy(node, env.__getitem__)
    once.output(tuple(env[node] for node in border))
    once.eliminate_dead_code()
    rest = GraphModule(graph, graph.graph.__deepcopy__(), "Rest")
    copies = dict(zip(nodes, rest.graph.nodes, strict=True))
    last = copies[places[-1]]
    for number, node in enumerate(border):
        with rest.graph.inserting_after(last):
            last = rest.graph.placeholder(f"still_{number}")
        last.meta = dict(copies[node].meta)  # the compiler reads its shape there
        copies[node].replace_all_uses_with(last)
    rest.graph.eliminate_dead_code()
    rest.recompile()
    return GraphModule(graph, once, "Once"), rest, [values[node].contiguous() for node in border]


def _random(node: Node) -> bool:
    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())


def overwriting(graph: GraphModule, count: int) -> GraphModule:
    """The graph with its first results written over its first arguments, as many, and only the others given."""
    made = GraphModule(graph, graph.graph.__deepcopy__(), "Overwriting")
    places = [node for node in made.graph.nodes if node.op == "placeholder"][:count]
    (output,) = (node for node in made.graph.nodes if node.op == "output")
    results = list(output.args[0])
    with made.graph.inserting_before(output):
        moved = [(p, r) for p, r in zip(places, results[:count], strict=True) if p is not r]
        fresh = [made.graph.call_function(torch.ops.aten.clone.default, (r,)) for _, r in moved]
        for (place, _), result in zip(moved, fresh, strict=True):
            made.graph.call_function(torch.ops.aten.copy_.default, (place, result))
    output.args = (tuple(results[count:]),)
    made.recompile()
    return made


def compiled(graph: GraphModule, leaves: Leaves, mark: Path, threads: int) -> Program | None:
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
            program: Program = standalone_compile(graph, list(leaves), dynamic_shapes="from_example_inputs")
            program(*[leaf.clone() for leaf in leaves])
    except Exception as error:  # noqa: BLE001 - whatever a compiler dislikes, the graph does the same, slower
        LOG.info("goodfit: the population is not compiled (%s)", str(error).strip().splitlines()[:1])
        return None
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(f"{time.perf_counter() - began:.1f} s\n")
    if len(PROGRAMS) >= KEPT:
        PROGRAMS.pop(next(iter(PROGRAMS)))
    PROGRAMS[mark.name] = program
    return program


def mark_of(graph: GraphModule, leaves: Leaves, threads: int) -> Path:
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
