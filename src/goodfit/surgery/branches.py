"""Residual branches: the modules whose output is added to a shortcut."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from torch import fx, nn

from goodfit.errors import InputError, near
from goodfit.surgery.tracing import TRANSFORMERS, Trace, UntraceableError, call_name, data_inputs, trace_graph
from goodfit.surgery.weight_ref import is_type, type_names

ADDITIONS = ("add", "add_", "iadd")
SCALINGS = ("mul", "mul_", "imul", "truediv", "div", "dropout")
MULTIPLE_OUTPUTS = (nn.MultiheadAttention, nn.RNNBase)
"""torch's layers that return more than one tensor."""

NamedModule = tuple[str, nn.Module]


def residual_branches(model: nn.Module, on: str, who: str) -> list[NamedModule]:
    """The modules whose output is a residual branch, by name and in order.

    If `on` is blank, the branches are detected: those of torch's transformer layers, and those of additions a + b in
    the traced network. If both operands come from the same tensor, the one with more modules on its shortest path
    from this tensor is the branch; if both paths have the same length, the sum has no branch. Any other `on`
    selects modules: globs on names, types (Mlp); !word excludes.

    >>> class Block(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.one, self.two = nn.Linear(2, 3), nn.Linear(3, 2)
    ...     def forward(self, x):
    ...         return x + self.two(self.one(x).relu())
    >>> [name for name, module in residual_branches(nn.Sequential(Block(), Block()), "", "DropPath")]
    ['0.two', '1.two']

    Raises:
        InputError: no branch is detected or selected, or a branch does not end in a module.
    """
    if on.strip():
        return _selected(model, on, who)
    if _is_transformer(model):
        return list(_transformer_branches("", model))
    try:
        trace = trace_graph(model)
    except UntraceableError as reason:
        branches = list(_transformer_branches("", model))
        if branches:
            return branches
        raise InputError(
            f"{who}: the residual branches of the network cannot be detected, because its forward pass cannot be "
            f"traced ({reason}); name the modules that end a branch with on=."
        ) from reason
    return _detected(model, trace, who)


def _is_transformer(model: nn.Module) -> bool:
    """Whether the network itself is one of torch's transformers, whose code cannot be traced."""
    return isinstance(model, (*TRANSFORMERS, nn.TransformerEncoder, nn.TransformerDecoder, nn.Transformer))


def _transformer_branches(path: str, module: nn.Module) -> Iterator[NamedModule]:
    """The dropout modules that end the branches of torch's transformer layers."""
    for name, part in module.named_modules(prefix=path):
        if isinstance(part, TRANSFORMERS):
            numbers = (1, 2, 3) if isinstance(part, nn.TransformerDecoderLayer) else (1, 2)
            for number in numbers:
                yield f"{name}.dropout{number}".lstrip("."), part.get_submodule(f"dropout{number}")


def _detected(model: nn.Module, trace: Trace, who: str) -> list[NamedModule]:
    additions = [node for node in trace.graph.nodes if _is_addition(node)]
    ends = {node: _unscaled(branch) for node in additions if (branch := _branch(node)) is not None}
    branches, without_module = _modules_at(ends, model, trace)
    if without_module:
        raise InputError(
            f"{who}: a residual branch must end in a module that returns one tensor, got "
            f"{', '.join(without_module[:4])}{', …' if len(without_module) > 4 else ''}; name the modules that end a "
            "branch with on=."
        )
    if not branches:
        raise InputError(
            f"{who}: the network must have residual branches, got none in {len(additions)} additions; name the modules "
            "that end a branch with on=."
        )
    return branches


def _modules_at(
    ends: dict[fx.Node, fx.Node], model: nn.Module, trace: Trace
) -> tuple[list[NamedModule], list[str]]:  # fmt: skip
    """The modules that end the branches (addition → end), and descriptions of the ends that no module returns."""
    branches: dict[int, NamedModule] = {}
    without_module: list[str] = []
    for node in trace.graph.nodes:
        if node.op == "call_module":
            for name, part in _transformer_branches(str(node.target), model.get_submodule(str(node.target))):
                branches.setdefault(id(part), (name, part))
        elif node in ends:
            end = _module_returning(ends[node], trace, set(ends.values()))
            if end is None:
                without_module.append(f"'{ends[node].name}' in {_location(node)}")
            else:
                module = model.get_submodule(end)
                branches.setdefault(id(module), (end, module))
    return list(branches.values()), without_module


def _is_addition(node: fx.Node) -> bool:
    return node.op in ("call_function", "call_method") and call_name(node) in ADDITIONS and len(data_inputs(node)) == 2


def _branch(addition: fx.Node) -> fx.Node | None:
    """The operand that is the branch; None if the operands have no common origin or the same distance from it."""
    a, b = data_inputs(addition)
    from_a, from_b = _distances(a), _distances(b)
    shared = [n for n in from_a if n in from_b]
    if not shared:
        return None
    origin = min(shared, key=lambda n: min(from_a[n], from_b[n]))
    if from_a[origin] == from_b[origin]:
        return None
    return a if from_a[origin] > from_b[origin] else b


def _distances(node: fx.Node) -> dict[fx.Node, int]:
    """Each ancestor of a node, the latest first → the smallest number of module calls between the two."""
    least, distances, ancestor = {node: 0}, {}, node
    while ancestor.op != "root":
        if ancestor in least:
            distances[ancestor] = least.pop(ancestor)
            distance = distances[ancestor] + (ancestor.op == "call_module")
            for source in data_inputs(ancestor):
                least[source] = min(distance, least.get(source, distance))
        ancestor = ancestor.prev
    return distances


def _unscaled(branch: fx.Node) -> fx.Node:
    """A branch before its multiplication by a number or by a weight."""
    while branch.op != "call_module" and call_name(branch) in SCALINGS and len(data_inputs(branch)) == 1:
        branch = data_inputs(branch)[0]
    return branch


def _module_returning(end: fx.Node, trace: Trace, ends: set[fx.Node]) -> str | None:
    """The outermost module that returns the end of this branch; all its calls must return ends of branches."""
    names = [name for name, calls in trace.calls.items() if end in calls and all(call in ends for call in calls)]
    return min(names, key=lambda name: name.count("."), default=None)


def _location(node: fx.Node) -> str:
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return f"'{stack[-1][0]}'" if stack else "the network"


def _selected(model: nn.Module, on: str, who: str) -> list[NamedModule]:
    words = on.split()
    included = [w for w in words if not w.startswith("!")] or ["*"]
    types, globs = [w for w in included if is_type(w)], [w for w in included if not is_type(w)]
    modules = [(name, module) for name, module in model.named_modules() if name]
    selected = [
        (name, module)
        for name, module in modules
        if (not types or any(_matches(name, module, w) for w in types))
        and (not globs or any(_matches(name, module, w) for w in globs))
        and not any(_matches(name, module, w[1:]) for w in words if w.startswith("!"))
    ]
    if not selected:
        known = {name for name, _ in modules} | {type(module).__name__ for _, module in modules}
        raise InputError(f"{who}: on must match a module of the network, got on={on!r}.{near(words[-1], known)}")
    for name, module in selected:
        if isinstance(module, MULTIPLE_OUTPUTS):
            raise InputError(
                f"{who}: a residual branch must end in a module that returns one tensor, got on={on!r}, which selects "
                f"'{name}' ({type(module).__name__}); select other modules, or exclude it with !{name}."
            )
    return selected


def _matches(name: str, module: nn.Module, word: str) -> bool:
    if is_type(word):
        return word in type_names(module)
    return fnmatch.fnmatchcase(name, word)
