"""What flows where in a network: its forward pass as a graph, without touching the network."""

from __future__ import annotations

import copy
import random
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import fx, nn

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
SHAPE = ("size", "dim", "ndim", "shape", "numel", "nelement", "device", "dtype", "new_zeros", "new_ones", "zeros_like")
TRANSFORMERS = (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)


class UntraceableError(Exception):
    """The network's forward pass cannot be written down as a graph; the message is the reason."""


@dataclass(frozen=True, eq=False)
class Trace:
    """A network's graph. `calls`: module → what each of its calls put out; None where that was not one tensor."""

    graph: fx.Graph
    network: nn.Module  # the copy that was traced, which holds the graph's constants
    calls: dict[str, list[fx.Node | None]]


@dataclass
class _Notes:
    calls: dict[str, list[fx.Node | None]] = field(default_factory=dict)


class _Tracer(fx.Tracer):
    """Looks into every module that is not torch's own, and notes what each module puts out."""

    def __init__(self) -> None:
        super().__init__()
        self.notes = _Notes()

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, TRANSFORMERS) or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        output = super().call_module(m, forward, args, kwargs)
        given = {id(value.node) for value in (*args, *kwargs.values()) if isinstance(value, fx.Proxy)}
        own = isinstance(output, fx.Proxy) and id(output.node) not in given
        self.notes.calls.setdefault(self.path_of_module(m), []).append(output.node if own else None)
        return output


def trace_graph(model: nn.Module) -> Trace:
    """The graph of a network's forward pass, in the mode (training or evaluation) that it is in.

    A copy is traced, without hooks, which shares nothing with the network but its parameters; the random generators
    are left as they were.

    >>> [node.target for node in trace_graph(nn.Sequential(nn.Linear(2, 2), nn.ReLU())).graph.nodes]
    ['input', '0', '1', 'output']

    Raises:
        UntraceableError: the forward pass branches on values, or does what cannot be written down.
    """
    try:
        with _undisturbed():
            network = copy.deepcopy(model, _memo(model))
            tracer = _Tracer()
            graph = tracer.trace(network)
    except Exception as error:  # the network's own code runs here and may raise anything
        said = str(error).strip().splitlines() or [""]
        raise UntraceableError(f"{type(error).__name__}: {said[0]}") from error
    return Trace(graph, network, tracer.notes.calls)


def data_inputs(node: fx.Node) -> list[fx.Node]:
    """The nodes whose values go into a node's value; weights, and what only asks for shapes, do not count."""
    return [n for n in node.all_input_nodes if n.op != "get_attr" and not reads_shape(n)]


def reads_shape(node: fx.Node) -> bool:
    """Whether a node asks a tensor for its shape, kind or place."""
    if node.target is getattr:
        return node.args[1] in SHAPE
    return node.op in ("call_method", "call_function") and call_name(node) in SHAPE


def call_name(node: fx.Node) -> str:
    """The name of the function, method or module that a node calls."""
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")


def _memo(model: nn.Module) -> dict[int, Any]:
    """What a copy shall not copy: parameters stay the same ones, hooks are left out."""
    memo: dict[int, Any] = {id(p): p for p in model.parameters()}
    return memo | {id(hooks): OrderedDict() for m in model.modules() for n in HOOKS if (hooks := getattr(m, n, None))}


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Leave random generators as they are and keep warnings of the tracing to ourselves."""
    pythons, numpys = random.getstate(), np.random.get_state()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with torch.random.fork_rng():
                yield
        finally:
            random.setstate(pythons)
            np.random.set_state(numpys)
