"""Segments of a network: the units of one layer and their way to the next layer."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _BatchNorm

from goodfit.surgery.tracing import HOOKS, Trace, UntraceableError, call_name, reads_shape
from goodfit.surgery.weight_ref import ordered_layers

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
# fmt: off
POINTWISE = {
    nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout,
    nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.RReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish, nn.Tanh,
    nn.Sigmoid, nn.LogSigmoid, nn.Softplus, nn.Softsign, nn.Softshrink, nn.Hardshrink, nn.Tanhshrink, nn.Hardtanh,
    nn.Hardswish, nn.Hardsigmoid, nn.Threshold,
}
FUNCTIONS = {
    "dropout", "relu", "relu_", "relu6", "leaky_relu", "elu", "celu", "selu", "gelu", "silu", "mish", "tanh",
    "sigmoid", "logsigmoid", "softplus", "softsign", "hardtanh", "hardswish", "hardsigmoid", "abs", "square",
    "exp", "clamp", "contiguous", "neg", "mul", "truediv", "add", "sub",
}
# fmt: on
POOL = re.compile(r"(?:(?:Adaptive)?(?:Max|Avg)Pool|(?:adaptive_)?(?:max|avg)_pool)([123])d")


class EndOfPathError(Exception):
    """Units cannot be followed further; the message gives the reason, or is empty at the network's output."""


@dataclass(frozen=True, eq=False)
class Segment:
    """The units of one layer, or the network's inputs, with the modules on their way to the next layer."""

    source: str | None  # name of the layer; None: the network's input
    target: str  # name of the next layer
    units: int
    between: tuple[tuple[str, Tensor], ...]  # modules with weights per unit, and the unit of each of their features
    columns: Tensor  # (features,) the unit of each input feature of the target
    values: Tensor  # (features, positions) the target's input for one row of the sample
    along: str = ""  # what counts as a unit of the network's input: `all` numbers, the `last` dimension, or `channels`


@dataclass(frozen=True, eq=False)
class _Context:
    """A network's graph with the values of a sample at its nodes, and the modules that cannot be changed."""

    trace: Trace
    network: nn.Module
    values: dict[fx.Node, Any]
    unchangeable: dict[str, str]  # module → reason


def find_segments(trace: Trace, network: nn.Module, sample: Tensor) -> tuple[list[Segment], dict[str, str]]:
    """The segments of a network, and the reasons why the units of the other layers cannot be followed.

    Args:
        trace: the graph of this network, or of one with the same modules.
        network: the network.
        sample: some rows of the network's input.

    >>> from goodfit.surgery.tracing import trace_graph
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 1))
    >>> segments, reasons = find_segments(trace_graph(net), net, torch.ones(2, 2))
    >>> [(segment.source, segment.target, segment.units) for segment in segments], reasons
    ([('0', '2', 3), (None, '0', 2)], {'2': 'goes into LayerNorm'})

    Raises:
        UntraceableError: the graph does not run on the sample.
    """
    context = _Context(trace, network, _values(trace, network, sample), _unchangeable(trace, network))
    segments: list[Segment] = []
    reasons: dict[str, str] = {}
    nodes = {node.target: node for node in trace.graph.nodes if node.op == "call_module"}
    for name, layer in ordered_layers(network):
        try:
            if name in nodes:
                segments.append(_from_layer(context, nodes[name], layer))
        except EndOfPathError as reason:
            reasons |= {name: str(reason)} if str(reason) else {}
    try:
        segments.append(_from_input(context))
    except EndOfPathError as reason:
        reasons["inputs"] = str(reason)
    return segments, reasons


def _from_layer(context: _Context, node: fx.Node, layer: nn.Module) -> Segment:
    name = str(node.target)
    if type(layer) not in LAYERS:
        raise EndOfPathError(f"units of {type(layer).__name__} cannot be distinguished")
    if name in context.unchangeable:
        raise EndOfPathError(context.unchangeable[name])
    shape = context.values[node].shape[1:]
    dim = len(shape) - 1 if isinstance(layer, nn.Linear) else 0
    return _segment(context, node, name, _labels(shape, dim))


def _from_input(context: _Context) -> Segment:
    """The network's inputs: each number if possible, else each index of the last dimension, else each channel."""
    node = next(n for n in context.trace.graph.nodes if n.op == "placeholder")
    shape = context.values[node].shape[1:]
    if not shape:
        raise EndOfPathError("it has one number per row")
    candidates = {
        "all": torch.arange(shape.numel()).reshape(shape),
        "last": _labels(shape, len(shape) - 1),
        "channels": _labels(shape, 0),
    }
    reason = ""
    for along, labels in candidates.items():
        try:
            return _segment(context, node, None, labels, along)
        except EndOfPathError as error:
            reason = str(error) or "it is the network's output"
    raise EndOfPathError(reason)


def _labels(shape: torch.Size, dim: int) -> Tensor:
    """The index along one dimension of every number in a row."""
    return torch.arange(shape[dim]).reshape([-1 if d == dim else 1 for d in range(len(shape))]).expand(shape)


def _segment(context: _Context, node: fx.Node, source: str | None, labels: Tensor, along: str = "") -> Segment:
    between: list[tuple[str, Tensor]] = []
    units = int(labels.max()) + 1
    while True:
        before, node = node, _only_user(node)
        module = _module(context, node)
        if type(module) in LAYERS:
            dim = -1 if isinstance(module, nn.Linear) else 0
            columns = _along(labels, dim)
            if columns is None:
                raise EndOfPathError(f"does not enter '{node.target}' as its features")
            values = context.values[before][0].movedim(dim, 0)
            values = values.reshape(len(values), -1)
            return Segment(source, str(node.target), units, tuple(between), columns, values, along)
        labels = _through(context, node, module, labels, between)


def _only_user(node: fx.Node) -> fx.Node:
    users = [user for user in node.users if not reads_shape(user)]
    if len(users) != 1:
        raise EndOfPathError(f"its output is used in {len(users)} places")
    if users[0].op == "output":
        raise EndOfPathError("")
    if any(n is not node and not _is_shape(n) for n in users[0].all_input_nodes):
        raise EndOfPathError(f"goes into {call_name(users[0])} together with another tensor")
    return users[0]


def _is_shape(node: fx.Node) -> bool:
    inputs = node.all_input_nodes
    return reads_shape(node) or (node.op == "call_function" and bool(inputs) and all(map(_is_shape, inputs)))


def _module(context: _Context, node: fx.Node) -> nn.Module | None:
    if node.op != "call_module":
        return None
    name = str(node.target)
    if name in context.unchangeable:
        raise EndOfPathError(f"goes into '{name}', and {context.unchangeable[name]}")
    return context.network.get_submodule(name)


def _through(
    context: _Context, node: fx.Node, module: nn.Module | None, labels: Tensor, between: list[tuple[str, Tensor]]
) -> Tensor:
    """The unit of each number of a row after a node, from the units before it."""
    name = call_name(node) if module is None else type(module).__name__
    after = context.values[node]
    shape = after.shape[1:] if isinstance(after, Tensor) else torch.Size()
    if shape == labels.shape and (name in FUNCTIONS if module is None else type(module) in POINTWISE):
        return labels
    if _flattens(node, name) and shape == (labels.numel(),):
        return labels.flatten()
    per_unit = _along(labels, 0)
    if per_unit is not None and isinstance(module, _BatchNorm | nn.PReLU):
        if len(next(module.parameters(), labels)) == len(per_unit):
            between.append((str(node.target), per_unit))
        return labels
    if per_unit is not None and _pools(node, name, labels.ndim) and len(shape) and len(shape) <= labels.ndim:
        return per_unit.reshape(-1, *[1] * (len(shape) - 1)).expand(shape)
    raise EndOfPathError(f"goes into {name}")


def _along(labels: Tensor, dim: int) -> Tensor | None:
    """The unit of each index along a dimension; None if an index holds several units."""
    rows = labels.movedim(dim, 0).reshape(labels.shape[dim], -1)
    return rows[:, 0] if bool((rows == rows[:, :1]).all()) else None


def _flattens(node: fx.Node, name: str) -> bool:
    """Whether a node flattens rows; a view must be (rows, −1), because a fixed size would not fit fewer units."""
    return name in ("Flatten", "flatten") or (name in ("view", "reshape") and node.args[2:] == (-1,))


def _pools(node: fx.Node, name: str, ndim: int) -> bool:
    """Whether a node pools over all dimensions after the channels; `ndim` counts the dimensions of a row."""
    pool = POOL.fullmatch(name)
    if pool:
        return int(pool[1]) == ndim - 1
    over = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else ())
    dims = over if isinstance(over, tuple | list) else (over,)
    return name == "mean" and ndim > 1 and {d % (ndim + 1) for d in dims if isinstance(d, int)} == {*range(2, ndim + 1)}


def _unchangeable(trace: Trace, network: nn.Module) -> dict[str, str]:
    times = Counter(id(p) for m in network.modules() for p in m._parameters.values() if p is not None)
    used_directly = [str(node.target) for node in trace.graph.nodes if node.op == "get_attr"]
    reasons: dict[str, str] = {}
    for name, module in network.named_modules():
        if any(getattr(module, hooks) for hooks in HOOKS) or "forward" in module.__dict__:
            reasons[name] = "it has hooks"
        elif len(trace.calls.get(name, ())) > 1:
            reasons[name] = "it is called more than once"
        elif any(times[id(p)] > 1 for p in module.parameters(recurse=False)):
            reasons[name] = "it shares its weights"
        elif any(weight.rpartition(".")[0] == name for weight in used_directly):
            reasons[name] = "its weights are also used outside of it"
        elif getattr(module, "groups", 1) != 1:
            reasons[name] = "it has groups"
    return reasons


class _ValueRecorder(fx.Interpreter):
    """Runs a graph with the network's modules and records the value of every node."""

    def __init__(self, trace: Trace, network: nn.Module) -> None:
        super().__init__(network, graph=trace.graph)
        self.traced, self.values = trace.network, dict[fx.Node, Any]()

    def run_node(self, n: fx.Node) -> Any:
        self.values[n] = super().run_node(n)
        return self.values[n]

    def fetch_attr(self, target: str) -> Any:
        try:
            return super().fetch_attr(target)
        except (RuntimeError, AttributeError):  # a constant, which tracing stored in its copy
            owner, _, name = target.rpartition(".")
            return getattr(self.traced.get_submodule(owner), name)


def _values(trace: Trace, network: nn.Module, sample: Tensor) -> dict[fx.Node, Any]:
    recorder = _ValueRecorder(trace, network)
    try:
        with torch.no_grad():
            recorder.run(sample[:2])
    except Exception as error:  # this runs the user's code, which may raise anything
        raise UntraceableError(f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}") from error
    return recorder.values
