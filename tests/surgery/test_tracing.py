from __future__ import annotations

import warnings

import pytest
import torch
from torch import Tensor, nn

from goodfit.surgery.tracing import UntraceableError, call_name, data_inputs, reads_shape, trace_graph


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.scale = nn.Sequential(nn.Linear(2, 2), nn.ReLU()), nn.Parameter(torch.ones(2))

    def forward(self, x: Tensor) -> Tensor:
        return (self.body(x) * self.scale).reshape(x.shape[0], -1)


def test_graphs_contain_torchs_modules_and_functions() -> None:
    model = nn.Sequential(Block(), nn.Linear(2, 1))
    trace = trace_graph(model)
    nodes = {node.name: node for node in trace.graph.nodes}
    assert [call_name(node) for node in nodes.values()] == [
        "input", "0.body.0", "0.body.1", "0.scale", "mul", "getattr", "getitem", "reshape", "1", "output",
    ]  # fmt: skip
    assert data_inputs(nodes["mul"]) == [nodes["_0_body_1"]]  # without the weight
    assert [name for name, node in nodes.items() if reads_shape(node)] == ["getattr_1"]
    assert trace.calls == {
        "0": [nodes["reshape"]], "0.body": [nodes["_0_body_1"]], "0.body.0": [nodes["_0_body_0"]],
        "0.body.1": [nodes["_0_body_1"]], "1": [nodes["_1"]],
    }  # fmt: skip


def test_the_copy_shares_only_parameters() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    model[0].register_forward_hook(print)
    network = trace_graph(model).network
    assert network[0].weight is model[0].weight
    assert network[1].running_mean is not model[1].running_mean
    assert not network[0]._forward_hooks
    assert len(model[0]._forward_hooks) == 1


def test_the_networks_mode_is_traced() -> None:
    class Switch(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.relu() if self.training else x.tanh()

    for training, name in ((True, "relu"), (False, "tanh")):
        assert any(call_name(node) == name for node in trace_graph(Switch().train(training)).graph.nodes)


def test_a_module_that_returns_its_input_has_no_output() -> None:
    class Pass(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    calls = trace_graph(nn.Sequential(nn.Linear(2, 2), Pass())).calls
    assert calls["1"] == [None]
    assert calls["0"] != [None]


def test_errors_give_the_reason() -> None:
    class Branching(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x if x.sum() > 0 else -x

    with pytest.raises(UntraceableError, match="TraceError: symbolically traced variables cannot be used as inputs"):
        trace_graph(Branching())
    stuck = nn.Linear(2, 2)
    stuck.file = open(__file__)  # noqa: SIM115, PTH123 - something that cannot be copied
    with stuck.file, pytest.raises(UntraceableError, match="TypeError"):
        trace_graph(stuck)


def test_weights_computed_by_a_hook_are_copied() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = nn.Sequential(nn.utils.weight_norm(nn.Linear(2, 2)))
    net(torch.ones(1, 2))
    assert [node.target for node in trace_graph(net).graph.nodes] == ["input", "0", "output"]
