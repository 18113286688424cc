"""Residual branches: the modules whose output is added to a shortcut."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from torch import fx, nn

from goodfit.errors import InputError, near
from goodfit.surgery.tracing import TRANSFORMERS, Trace, UntraceableError, call_name, data_inputs, trace_graph

ADDITIONS = ("add", "add_", "iadd")
SCALINGS = ("mul", "mul_", "imul", "truediv", "div", "dropout")
SEVERAL = (nn.MultiheadAttention, nn.RNNBase)
"""torch's layers that return more than one tensor."""


def residual_branches(model: nn.Module, on: str, who: str) -> list[tuple[str, nn.Module]]:
    """The modules whose output is a residual branch, in order, by name.

    With an empty `on` they are found: those of torch's transformer layers, and in the traced network the additions
    a + b where both come from one tensor: the branch is the one with more modules on its (shortest) way from there;
    sums of two ways of equal length are none. Else `on` chooses modules: globs on names, types (Mlp), !word excludes.

    >>> class Block(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.one, self.two = nn.Linear(2, 3), nn.Linear(3, 2)
    ...     def forward(self, x):
    ...         return x + self.two(self.one(x).relu())
    >>> [name for name, module in residual_branches(nn.Sequential(Block(), Block()), "", "DropPath")]
    ['0.two', '1.two']

    Raises:
        InputError: no branch is found or matched, or one does not end in a module.
    """
    if on:
        return _chosen(model, on, who)
    if _torchs(model):
        return list(_transformer_branches("", model))
    try:
        trace = trace_graph(model)
    except UntraceableError as reason:
        known = list(_transformer_branches("", model))
        if known:
            return known
        raise InputError(
            f"{who}: the network must have residual branches, and they cannot be found, because its forward pass "
            f"cannot be traced ({reason}); name the modules that end a branch with on=."
        ) from reason
    return _found(model, trace, who)


def _torchs(model: nn.Module) -> bool:
    """Whether the network itself is one of torch's transformers, whose own code cannot be traced."""
    return isinstance(model, (*TRANSFORMERS, nn.TransformerEncoder, nn.TransformerDecoder, nn.Transformer))


def _transformer_branches(path: str, module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """The dropouts that end the branches of torch's transformer layers."""
    for name, part in module.named_modules(prefix=path):
        if isinstance(part, TRANSFORMERS):
            numbers = (1, 2, 3) if isinstance(part, nn.TransformerDecoderLayer) else (1, 2)
            for number in numbers:
                yield f"{name}.dropout{number}".lstrip("."), part.get_submodule(f"dropout{number}")


def _found(model: nn.Module, trace: Trace, who: str) -> list[tuple[str, nn.Module]]:
    additions = [node for node in trace.graph.nodes if _is_addition(node)]
    ends = {node: _unscaled(branch) for node in additions if (branch := _branch(node)) is not None}
    found: dict[int, tuple[str, nn.Module]] = {}
    loose: list[str] = []
    for node in trace.graph.nodes:
        if node.op == "call_module":
            for name, part in _transformer_branches(str(node.target), model.get_submodule(str(node.target))):
                found.setdefault(id(part), (name, part))
        elif node in ends:
            end = _hookable(ends[node], trace, set(ends.values()))
            if end is None:
                loose.append(f"'{ends[node].name}' in {_place(node)}")
            else:
                module = model.get_submodule(end)
                found.setdefault(id(module), (end, module))
    if loose:
        raise InputError(
            f"{who}: a residual branch must end in a module that returns one tensor, got {', '.join(loose[:4])}"
            f"{', …' if len(loose) > 4 else ''}; name the modules that end a branch with on=."
        )
    if not found:
        raise InputError(
            f"{who}: the network must have residual branches, found none (looked at {len(additions)} additions); name "
            "the modules that end a branch with on=."
        )
    return list(found.values())


def _is_addition(node: fx.Node) -> bool:
    return node.op in ("call_function", "call_method") and call_name(node) in ADDITIONS and len(data_inputs(node)) == 2


def _branch(addition: fx.Node) -> fx.Node | None:
    """The operand that is the branch; None where the operands come from nowhere in common, or equally far."""
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
    """Each node that a value comes from, the latest first → the least number of module calls in between."""
    least, done, before = {node: 0}, {}, node
    while before.op != "root":
        if before in least:
            done[before] = least.pop(before)
            step = done[before] + (before.op == "call_module")
            for source in data_inputs(before):
                least[source] = min(step, least.get(source, step))
        before = before.prev
    return done


def _unscaled(branch: fx.Node) -> fx.Node:
    """What a branch is before it is multiplied by a number or a weight of its own."""
    while branch.op != "call_module" and call_name(branch) in SCALINGS and len(data_inputs(branch)) == 1:
        branch = data_inputs(branch)[0]
    return branch


def _hookable(end: fx.Node, trace: Trace, ends: set[fx.Node]) -> str | None:
    """The outermost module that puts this branch out, and nothing but branches wherever else it is called."""
    names = [name for name, calls in trace.calls.items() if end in calls and all(call in ends for call in calls)]
    return min(names, key=lambda name: name.count("."), default=None)


def _place(node: fx.Node) -> str:
    stack = list(node.meta.get("nn_module_stack", {}).values())
    return f"'{stack[-1][0]}'" if stack else "the network"


def _chosen(model: nn.Module, on: str, who: str) -> list[tuple[str, nn.Module]]:
    words = on.split()
    wanted = [w for w in words if not w.startswith("!")] or ["*"]
    types, globs = [w for w in wanted if _is_type(w)], [w for w in wanted if not _is_type(w)]
    every = [(name, module) for name, module in model.named_modules() if name]
    chosen = [
        (name, module)
        for name, module in every
        if (not types or any(_fits(name, module, w) for w in types))
        and (not globs or any(_fits(name, module, w) for w in globs))
        and not any(_fits(name, module, w[1:]) for w in words if w.startswith("!"))
    ]
    if not chosen:
        known = {name for name, _ in every} | {type(module).__name__ for _, module in every}
        raise InputError(f"{who}: on must match a module of the network, got on={on!r}.{near(words[-1], known)}")
    for name, module in chosen:
        if isinstance(module, SEVERAL):
            raise InputError(
                f"{who}: a residual branch must end in a module that returns one tensor, got on={on!r}, which chooses "
                f"'{name}' ({type(module).__name__})."
            )
    return chosen


def _is_type(word: str) -> bool:
    return word[:1].isupper() and "." not in word


def _fits(name: str, module: nn.Module, word: str) -> bool:
    if _is_type(word):
        return any(base.__name__ == word for base in type(module).__mro__)
    return fnmatch.fnmatchcase(name, word)
