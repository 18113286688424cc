"""Which units of a layer flow where: the stretches of a network from one layer to the next."""

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


class Stop(Exception):  # noqa: N818
    """Units cannot be followed any further; the message is the reason, empty at the network's output."""


@dataclass(frozen=True, eq=False)
class Segment:
    """The units of one layer (or the network's inputs), and how they come to the next layer."""

    source: str | None  # the layer's name; None: the network's input
    target: str
    units: int
    between: tuple[tuple[str, Tensor], ...]  # modules with weights per unit → the unit of each of their features
    columns: Tensor  # (features,) the unit of each input feature of the target
    entering: Tensor  # (features, positions) what a row of the sample brings there
    along: str = ""  # the network's input: `all` its numbers, the `last` dimension, or its `channels`


@dataclass(frozen=True, eq=False)
class _Chart:
    """A network's graph, with the values that a sample has there and the modules that cannot be changed."""

    trace: Trace
    network: nn.Module
    values: dict[fx.Node, Any]
    odd: dict[str, str]  # module → why not


def follow(trace: Trace, network: nn.Module, sample: Tensor) -> tuple[list[Segment], dict[str, str]]:
    """The segments of a network, and why the units of other layers cannot be followed.

    `trace` is that of the network (or of one with the same modules), `sample` some rows of its input.

    >>> from goodfit.surgery.tracing import trace_graph
    >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 4), nn.LayerNorm(4), nn.Linear(4, 1))
    >>> found, reasons = follow(trace_graph(net), net, torch.ones(2, 2))
    >>> [(segment.source, segment.target, segment.units) for segment in found], reasons
    ([('0', '2', 3), (None, '0', 2)], {'2': 'goes into LayerNorm'})

    Raises:
        UntraceableError: the graph does not run on the sample.
    """
    chart = _Chart(trace, network, _values(trace, network, sample), _odd(trace, network))
    found: list[Segment] = []
    reasons: dict[str, str] = {}
    nodes = {node.target: node for node in trace.graph.nodes if node.op == "call_module"}
    for name, layer in ordered_layers(network):
        try:
            if name in nodes:
                found.append(_from_layer(chart, nodes[name], layer))
        except Stop as reason:
            reasons |= {name: str(reason)} if str(reason) else {}
    try:
        found.append(_from_input(chart))
    except Stop as reason:
        reasons["inputs"] = str(reason)
    return found, reasons


def _from_layer(chart: _Chart, node: fx.Node, layer: nn.Module) -> Segment:
    name = str(node.target)
    if type(layer) not in LAYERS:
        raise Stop(f"units of {type(layer).__name__} are not told apart")
    if name in chart.odd:
        raise Stop(chart.odd[name])
    shape = chart.values[node].shape[1:]
    dim = len(shape) - 1 if isinstance(layer, nn.Linear) else 0
    return _segment(chart, node, name, _labels(shape, dim))


def _from_input(chart: _Chart) -> Segment:
    """The inputs one by one, else those of the last dimension, else the channels: whichever come to a layer apart."""
    node = next(n for n in chart.trace.graph.nodes if n.op == "placeholder")
    shape = chart.values[node].shape[1:]
    if not shape:
        raise Stop("it has one number per row")
    ways = {
        "all": torch.arange(shape.numel()).reshape(shape),
        "last": _labels(shape, len(shape) - 1),
        "channels": _labels(shape, 0),
    }
    said = ""
    for along, labels in ways.items():
        try:
            return _segment(chart, node, None, labels, along)
        except Stop as reason:
            said = str(reason) or "it is the network's output"
    raise Stop(said)


def _labels(shape: torch.Size, dim: int) -> Tensor:
    """The place in one dimension of every number in a row."""
    return torch.arange(shape[dim]).reshape([-1 if d == dim else 1 for d in range(len(shape))]).expand(shape)


def _segment(chart: _Chart, node: fx.Node, source: str | None, labels: Tensor, along: str = "") -> Segment:
    between: list[tuple[str, Tensor]] = []
    units = int(labels.max()) + 1
    while True:
        before, node = node, _only_user(node)
        module = _module(chart, node)
        if type(module) in LAYERS:
            dim = -1 if isinstance(module, nn.Linear) else 0
            columns = _along(labels, dim)
            if columns is None:
                raise Stop(f"enters '{node.target}' otherwise than as its features")
            entering = chart.values[before][0].movedim(dim, 0)
            rows = entering.reshape(len(entering), -1)
            return Segment(source, str(node.target), units, tuple(between), columns, rows, along)
        labels = _through(chart, node, module, labels, between)


def _only_user(node: fx.Node) -> fx.Node:
    users = [user for user in node.users if not reads_shape(user)]
    if len(users) != 1:
        raise Stop(f"its output is used in {len(users)} places")
    if users[0].op == "output":
        raise Stop("")
    if any(n is not node and not _is_shape(n) for n in users[0].all_input_nodes):
        raise Stop(f"goes into {call_name(users[0])} with something else")
    return users[0]


def _is_shape(node: fx.Node) -> bool:
    inputs = node.all_input_nodes
    return reads_shape(node) or (node.op == "call_function" and bool(inputs) and all(map(_is_shape, inputs)))


def _module(chart: _Chart, node: fx.Node) -> nn.Module | None:
    if node.op != "call_module":
        return None
    name = str(node.target)
    if name in chart.odd:
        raise Stop(f"goes into '{name}', and {chart.odd[name]}")
    return chart.network.get_submodule(name)


def _through(
    chart: _Chart, node: fx.Node, module: nn.Module | None, labels: Tensor, between: list[tuple[str, Tensor]]
) -> Tensor:
    """The unit of each number of a row behind a node, from those in front of it."""
    name = call_name(node) if module is None else type(module).__name__
    after = chart.values[node]
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
    raise Stop(f"goes into {name}")


def _along(labels: Tensor, dim: int) -> Tensor | None:
    """The unit of each index of a dimension; None where there are several."""
    rows = labels.movedim(dim, 0).reshape(labels.shape[dim], -1)
    return rows[:, 0] if bool((rows == rows[:, :1]).all()) else None


def _flattens(node: fx.Node, name: str) -> bool:
    """Flattening, or a view of shape (rows, −1): one with a number would not fit fewer units."""
    return name in ("Flatten", "flatten") or (name in ("view", "reshape") and node.args[2:] == (-1,))


def _pools(node: fx.Node, name: str, ndim: int) -> bool:
    """Whether a node pools over all dimensions behind the channels (`ndim`: those of a row)."""
    pool = POOL.fullmatch(name)
    if pool:
        return int(pool[1]) == ndim - 1
    over = node.kwargs.get("dim", node.args[1] if len(node.args) > 1 else ())
    dims = over if isinstance(over, tuple | list) else (over,)
    return name == "mean" and ndim > 1 and {d % (ndim + 1) for d in dims if isinstance(d, int)} == {*range(2, ndim + 1)}


def _odd(trace: Trace, network: nn.Module) -> dict[str, str]:
    times = Counter(id(p) for m in network.modules() for p in m._parameters.values() if p is not None)
    lent = [str(node.target) for node in trace.graph.nodes if node.op == "get_attr"]
    odd: dict[str, str] = {}
    for name, module in network.named_modules():
        if any(getattr(module, hooks) for hooks in HOOKS) or "forward" in module.__dict__:
            odd[name] = "there are hooks on it"
        elif len(trace.calls.get(name, ())) > 1:
            odd[name] = "it is called more than once"
        elif any(times[id(p)] > 1 for p in module.parameters(recurse=False)):
            odd[name] = "it shares its weights"
        elif any(weight.rpartition(".")[0] == name for weight in lent):
            odd[name] = "its weights are also used elsewhere"
        elif getattr(module, "groups", 1) != 1:
            odd[name] = "it has groups"
    return odd


class _Reader(fx.Interpreter):
    """Runs a graph with the network's modules and keeps every value."""

    def __init__(self, trace: Trace, network: nn.Module) -> None:
        super().__init__(network, graph=trace.graph)
        self.spare, self.seen = trace.network, dict[fx.Node, Any]()

    def run_node(self, n: fx.Node) -> Any:
        self.seen[n] = super().run_node(n)
        return self.seen[n]

    def fetch_attr(self, target: str) -> Any:
        try:
            return super().fetch_attr(target)
        except (RuntimeError, AttributeError):  # a constant, which tracing stored beside the network
            owner, _, name = target.rpartition(".")
            return getattr(self.spare.get_submodule(owner), name)


def _values(trace: Trace, network: nn.Module, sample: Tensor) -> dict[fx.Node, Any]:
    reader = _Reader(trace, network)
    try:
        with torch.no_grad():
            reader.run(sample[:2])
    except Exception as error:  # the network's own code runs here and may raise anything
        raise UntraceableError(f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}") from error
    return reader.seen
