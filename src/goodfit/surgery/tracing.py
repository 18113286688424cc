"""The computation graph of a network's forward pass, traced with torch.fx; the network stays unchanged."""

from __future__ import annotations

import random
import warnings
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from goodfit.surgery.copies import copy_module

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
SHAPE_READERS = (
    "size", "dim", "ndim", "shape", "numel", "nelement", "device", "dtype", "new_zeros", "new_ones", "zeros_like",
)  # fmt: skip
"""Attributes and functions of a tensor that do not depend on its values."""
TRANSFORMERS = (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer)


class UntraceableError(Exception):
    """The network's forward pass cannot be traced; the message gives the reason."""


ModuleCalls = dict[str, list[fx.Node | None]]
"""Module name → the output node of each of its calls; None if the output is not a single new tensor."""


@dataclass(frozen=True, eq=False)
class Trace:
    """The graph of a network's forward pass."""

    graph: fx.Graph
    network: nn.Module  # the traced copy, which holds the graph's constants
    calls: ModuleCalls


class _Tracer(fx.Tracer):
    """Traces into every module that is not torch's, and records the outputs of all modules."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: ModuleCalls = {}

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return isinstance(m, TRANSFORMERS) or super().is_leaf_module(m, module_qualified_name)

    def call_module(self, m: nn.Module, forward: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        output = super().call_module(m, forward, args, kwargs)
        inputs = {id(value.node) for value in (*args, *kwargs.values()) if isinstance(value, fx.Proxy)}
        is_new = isinstance(output, fx.Proxy) and id(output.node) not in inputs
        self.calls.setdefault(self.path_of_module(m), []).append(output.node if is_new else None)
        return output


def trace_graph(model: nn.Module) -> Trace:
    """Trace a network's forward pass in its current mode (training or evaluation).

    It traces a copy without hooks, which shares only the parameters with the network, and restores the global random
    generators.

    >>> [node.target for node in trace_graph(nn.Sequential(nn.Linear(2, 2), nn.ReLU())).graph.nodes]
    ['input', '0', '1', 'output']

    Raises:
        UntraceableError: the forward pass branches on values, or contains code that torch.fx cannot trace.
    """
    try:
        with _isolated():
            network = copy_module(model, _copy_memo(model))
            tracer = _Tracer()
            graph = tracer.trace(network)
    except Exception as error:  # this runs the user's code, which may raise anything
        lines = str(error).strip().splitlines() or [""]
        raise UntraceableError(f"{type(error).__name__}: {lines[0]}") from error
    return Trace(graph, network, tracer.calls)


def data_inputs(node: fx.Node) -> list[fx.Node]:
    """The nodes whose values a node computes with, without weights and without nodes that only read a shape."""
    return [n for n in node.all_input_nodes if n.op != "get_attr" and not reads_shape(n)]


def reads_shape(node: fx.Node) -> bool:
    """Whether a node reads the shape, dtype or device of a tensor, but not its values."""
    if node.target is getattr:
        return node.args[1] in SHAPE_READERS
    return node.op in ("call_method", "call_function") and call_name(node) in SHAPE_READERS


def call_name(node: fx.Node) -> str:
    """The name of the function, method or module that a node calls."""
    return node.target if isinstance(node.target, str) else getattr(node.target, "__name__", "")


def _copy_memo(model: nn.Module) -> dict[int, Any]:
    """A memo for `deepcopy` that shares parameters and drops hooks."""
    memo: dict[int, Any] = {id(p): p for p in model.parameters()}
    return memo | {id(hooks): OrderedDict() for m in model.modules() for n in HOOKS if (hooks := getattr(m, n, None))}


@contextmanager
def _isolated() -> Iterator[None]:
    """Restore the global random generators on exit, and suppress warnings."""
    python_state, numpy_state = random.getstate(), np.random.get_state()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with torch.random.fork_rng():
                yield
        finally:
            random.setstate(python_state)
            np.random.set_state(numpy_state)
