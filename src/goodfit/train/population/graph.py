"""Trees of stacked tensors, and functions of them as graphs: traced, with hoisted constants, compiled."""

from __future__ import annotations

import hashlib
import logging
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.fx import Graph, GraphModule, Node
from torch.fx.node import map_arg
from torch.utils._pytree import TreeSpec, tree_flatten, tree_map, tree_unflatten

Tree = Any


@dataclass(frozen=True, eq=False)
class Flat:
    """The leaves of a tree with its structure: flattening a tree in every step would take longer than some steps."""

    leaves: list[Tensor]
    spec: TreeSpec
    results: dict[object, list[Tensor]] = field(default_factory=dict, repr=False)  # of `computed`

    @classmethod
    def of(cls, tree: Tree, spec: TreeSpec | None = None) -> Flat:
        """The leaves of a tree, contiguous as compiled programs need them; `spec`: its structure, if it is known."""
        if spec is None:
            leaves, spec = tree_flatten(tree)
        else:
            leaves = list(_leaves(tree))
        return cls([leaf.contiguous() for leaf in leaves], spec)

    def tree(self) -> Tree:
        """The tree."""
        return self._tree

    @cached_property
    def _tree(self) -> Tree:
        return tree_unflatten(self.leaves, self.spec)

    def clone(self) -> Flat:
        """A copy of all leaves."""
        return Flat([leaf.clone() for leaf in self.leaves], self.spec)

    def computed(self, function: Callable[..., Sequence[Tensor]]) -> list[Tensor]:
        """The results of a function of the leaves, contiguous; they are computed once."""
        if function not in self.results:
            self.results[function] = [result.contiguous() for result in function(*self.leaves)]
        return self.results[function]

    def padded(self, size: int) -> Flat:
        """With at least `size` rows: the first row is repeated."""
        if not self.leaves or len(self.leaves[0]) >= size:
            return self
        return Flat([_pad(leaf, size) for leaf in self.leaves], self.spec)

    def rows(self, rows: Tensor) -> Flat:
        """The rows with these numbers."""
        return Flat([leaf.index_select(0, rows) for leaf in self.leaves], self.spec)

    def put(self, rows: Tensor, values: Flat) -> Flat:
        """A copy with other values in the rows with these numbers."""
        pairs = zip(self.leaves, values.leaves, strict=True)
        return Flat([leaf.index_copy(0, rows, part) for leaf, part in pairs], self.spec)

    def first(self, count: int) -> Flat:
        """The first `count` rows."""
        if not self.leaves or len(self.leaves[0]) <= count:
            return self
        return Flat([leaf[:count] for leaf in self.leaves], self.spec)


def _leaves(tree: Tree) -> Iterator[Tensor]:
    """The leaves in the order of `tree_flatten`, but ten times as fast."""
    if isinstance(tree, Tensor):
        yield tree
        return
    for part in tree.values() if isinstance(tree, dict) else tree:
        yield from _leaves(part)


def stack(trees: Sequence[Tree]) -> Tree:
    """One row for each tree."""
    first, *others = trees
    return tree_map(lambda *tensors: torch.stack(tensors), first, *others)


def _pad(t: Tensor, size: int) -> Tensor:
    return t if len(t) >= size else torch.cat([t, t[:1].expand(size - len(t), *t.shape[1:])])


def concatenate(trees: Sequence[Tree]) -> Tree:
    """The rows of several trees, one after another."""
    first, *others = trees
    return tree_map(lambda *tensors: torch.cat(tensors), first, *others)


def row_of(tree: Tree, number: int) -> Tree:
    """A copy of one row."""
    return tree_map(lambda t: t[number].clone(), tree)


def rows_of(tree: Tree, rows: Tensor) -> Tree:
    """The rows with these numbers."""
    return tree_map(lambda t: t.index_select(0, rows), tree)


def where(mask: Tensor, new: Tree, old: Tree) -> Tree:
    """Rows of `new` where the mask (member,) is true, of `old` elsewhere."""
    return tree_map(lambda a, b: torch.where(mask.reshape(-1, *[1] * (a.ndim - 1)), a, b), new, old)


LOG = logging.getLogger("goodfit")
MAX_PROGRAMS = 64
"""Compiled programs that a process keeps for later calls, at most."""

Leaves = Sequence[Tensor]
GraphFunction = Callable[..., Any]
"""Maps tensors to a sequence of tensors."""

PROGRAMS: dict[str, GraphFunction] = {}
"""The compiled programs of this process, by the name of their cache marker."""


def trace(function: Callable[..., Any], arguments: Sequence[Flat]) -> tuple[GraphModule, list[Tensor], TreeSpec]:
    """A function as a graph without side effects, the leaves of its arguments, and the structure of its results."""
    from torch.func import functionalize
    from torch.fx.experimental.proxy_tensor import make_fx

    specs: list[TreeSpec] = []

    def flat(*tensors: Tensor) -> list[Tensor]:
        remaining = iter(tensors)
        trees = (tree_unflatten([next(remaining) for _ in f.leaves], f.spec) for f in arguments)
        results = Flat.of(function(*trees))
        specs.append(results.spec)
        return results.leaves

    leaves = [leaf for f in arguments for leaf in f.leaves]
    return make_fx(functionalize(flat))(*leaves), leaves, specs[0]


def hoist_constants(
    graph: GraphModule, leaves: Leaves, constant: range
) -> tuple[GraphModule, GraphModule, list[Tensor]]:
    """Split a graph: operations on constant leaves only, and the rest, which takes their results after all leaves.

    Returns both graphs and the results of the first. Only small tensors are hoisted: not larger than a constant leaf.
    """
    values = _constant_values(graph, leaves, constant)
    border = [node for node in values if node.op == "call_function" and any(user not in values for user in node.users)]
    hoisted, copies = Graph(), dict[Node, Node]()
    for node in graph.graph.nodes:
        if node in values:
            copies[node] = hoisted.node_copy(node, copies.__getitem__)
    hoisted.output(tuple(copies[node] for node in border))
    hoisted.eliminate_dead_code()
    rest = _with_arguments_for(graph, border)
    return GraphModule(graph, hoisted, "Constants"), rest, [values[node].contiguous() for node in border]


def _constant_values(graph: GraphModule, leaves: Leaves, constant: range) -> dict[Node, Any]:
    """The values of the nodes that depend on constant leaves only, up to the size of the largest of these leaves."""
    placeholders = [node for node in graph.graph.nodes if node.op == "placeholder"]
    values: dict[Node, Any] = {placeholders[i]: leaves[i] for i in constant}
    largest = max((leaves[i].numel() for i in constant), default=0)
    for node in graph.graph.nodes:
        if node.op == "get_attr":
            values[node] = getattr(graph, node.target)
        elif node.op == "call_function" and all(n in values for n in node.all_input_nodes) and not _is_random(node):
            args, kwargs = map_arg((node.args, node.kwargs), values.__getitem__)
            result = node.target(*args, **kwargs)
            if isinstance(result, Tensor) and result.numel() <= largest:
                values[node] = result
    return values


def _with_arguments_for(graph: GraphModule, border: Sequence[Node]) -> GraphModule:
    """A copy of the graph with further arguments, which replace these nodes."""
    rest = GraphModule(graph, graph.graph.__deepcopy__(), "Rest")
    copies = dict(zip(graph.graph.nodes, rest.graph.nodes, strict=True))
    last = [node for node in rest.graph.nodes if node.op == "placeholder"][-1]
    for number, node in enumerate(border):
        with rest.graph.inserting_after(last):
            last = rest.graph.placeholder(f"constant_{number}")
        last.meta = dict(copies[node].meta)  # from which the compiler reads its shape
        copies[node].replace_all_uses_with(last)
    rest.graph.eliminate_dead_code()
    rest.recompile()
    return rest


def _is_random(node: Node) -> bool:
    return torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ())


def overwrite_arguments(graph: GraphModule, count: int) -> GraphModule:
    """The graph with its first `count` results written over its first arguments; it returns only the others."""
    copy = GraphModule(graph, graph.graph.__deepcopy__(), "Overwriting")
    arguments = [node for node in copy.graph.nodes if node.op == "placeholder"][:count]
    (output,) = (node for node in copy.graph.nodes if node.op == "output")
    results = list(output.args[0])
    with copy.graph.inserting_before(output):
        changed = [(a, r) for a, r in zip(arguments, results[:count], strict=True) if a is not r]
        clones = [copy.graph.call_function(torch.ops.aten.clone.default, (r,)) for _, r in changed]
        for (argument, _), result in zip(changed, clones, strict=True):
            copy.graph.call_function(torch.ops.aten.copy_.default, (argument, result))
    output.args = (tuple(results[count:]),)
    copy.recompile()
    return copy


def compile_graph(graph: GraphModule, leaves: Leaves, marker: Path, threads: int) -> GraphFunction | None:
    """The graph as one compiled program; None if there is no compiler, or it fails."""
    if marker.name in PROGRAMS:
        return PROGRAMS[marker.name]
    began = time.perf_counter()
    try:
        from torch._inductor import config, standalone_compile

        # On a CPU, a program that is entirely C++ does not hold Python's lock.
        options = {"cpp_wrapper": leaves[0].device.type == "cpu"} | ({"cpp.threads": threads} if threads else {})
        with warnings.catch_warnings(), config.patch(options):
            warnings.simplefilter("ignore")  # warnings of the compiler
            program: GraphFunction = standalone_compile(graph, list(leaves), dynamic_shapes="from_example_inputs")
            program(*[leaf.clone() for leaf in leaves])
    except Exception as error:  # noqa: BLE001 - the compiler may raise anything; the graph gives the same results
        LOG.info("goodfit: the population is not compiled (%s)", str(error).strip().splitlines()[:1])
        return None
    marker.parent.mkdir(parents=True, exist_ok=True)
    marker.write_text(f"{time.perf_counter() - began:.1f} s\n")
    if len(PROGRAMS) >= MAX_PROGRAMS:
        PROGRAMS.pop(next(iter(PROGRAMS)))
    PROGRAMS[marker.name] = program
    return program


def cache_marker(graph: GraphModule, leaves: Leaves, threads: int) -> Path:
    """A file in torch's cache of compiled programs whose existence says that the cache holds this program."""
    from torch._inductor.runtime.cache_dir_utils import cache_dir

    layouts = [(tuple(t.shape), t.stride(), t.dtype, t.device) for t in leaves]
    text = f"{torch.__version__} {threads or torch.get_num_threads()} {layouts} {graph.code}"
    digest = hashlib.sha256(text.encode())
    for node in graph.graph.nodes:
        if node.op == "get_attr":  # constants of the program: frozen weights, class weights
            value = getattr(graph, node.target)
            digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return Path(cache_dir()) / "goodfit" / digest.hexdigest()[:32]
