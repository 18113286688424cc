from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.surgery.segments import Segment, find_segments
from goodfit.surgery.tracing import UntraceableError, trace_graph


class Model(nn.Module):
    """A network that computes a function of its modules and x."""

    def __init__(self, compute: Callable[[Any, Tensor], Any], **parts: nn.Module) -> None:
        super().__init__()
        self.compute = compute
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Any:
        return self.compute(self, x)


def segments_of(model: nn.Module, *shape: int) -> tuple[dict[str | None, Segment], dict[str, str]]:
    segments, reasons = find_segments(trace_graph(model.eval()), model, torch.ones(2, *shape))
    return {segment.source: segment for segment in segments}, reasons


def test_a_chain_of_linear_layers() -> None:
    segments, reasons = segments_of(
        nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.Tanh(), nn.Linear(4, 5)), nn.Linear(5, 2)), 3
    )
    assert [(s.source, s.target, s.units) for s in segments.values()] == [
        ("0", "1.1", 4),
        ("1.1", "2", 5),
        (None, "0", 3),
    ]
    assert segments["0"].columns.tolist() == [0, 1, 2, 3]
    assert segments[None].along == "all"
    assert not reasons


def test_values_are_those_of_the_first_row() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    segments, _ = segments_of(model, 3)
    assert torch.equal(segments["0"].values[:, 0], model[0](torch.ones(2, 3)).tanh()[0])


def test_units_after_pooling_and_flattening() -> None:
    conv = nn.Sequential(
        nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(12, 2)
    )
    segments, reasons = segments_of(conv, 1, 6, 6)
    assert segments["0"].columns.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert [(name, of.tolist()) for name, of in segments["0"].between] == [("1", [0, 1, 2])]
    assert segments["0"].values.shape == (12, 1)
    assert segments[None].along == "channels"
    assert not reasons
    rows = nn.Sequential(nn.Linear(4, 3), nn.Flatten(), nn.BatchNorm1d(6), nn.Linear(6, 1))  # (batch, 2, 4)
    segments, _ = segments_of(rows, 2, 4)
    assert segments["0"].columns.tolist() == [0, 1, 2, 0, 1, 2]
    assert segments["0"].between[0][1].tolist() == [0, 1, 2, 0, 1, 2]
    assert segments[None].along == "last"
    flat = nn.Sequential(nn.Flatten(), nn.Linear(6, 2))
    assert segments_of(flat, 1, 2, 3)[0][None].along == "all"


@pytest.mark.parametrize(
    "pool",
    [
        lambda x: F.max_pool2d(x, 2).flatten(1),
        lambda x: torch.flatten(F.adaptive_avg_pool2d(x, 1), 1),
        lambda x: F.avg_pool2d(F.relu(x) * 2 + 1, 4).view(x.size(0), -1),
        lambda x: x.mean((2, 3)),
        lambda x: x.mean(dim=[-1, -2], keepdim=True).reshape(x.shape[0], -1),
    ],
)
def test_functions_of_each_channel(pool: Callable[[Tensor], Tensor]) -> None:
    features = pool(torch.ones(2, 3, 4, 4)).shape[1]
    model = Model(lambda s, x: s.head(pool(s.conv(x))), conv=nn.Conv2d(1, 3, 3), head=nn.Linear(features, 1))
    segments, reasons = segments_of(model, 1, 6, 6)
    assert segments["conv"].columns.tolist() == sorted(list(range(3)) * (features // 3))
    assert not reasons


def test_reasons() -> None:
    tied = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 3), nn.Linear(3, 1))
    tied[2].weight = tied[0].weight
    hooked = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1))
    hooked[1].register_forward_hook(print)
    cases: dict[str, tuple[nn.Module, tuple[int, ...], dict[str, str]]] = {
        "softmax": (
            nn.Sequential(nn.Linear(3, 3), nn.Softmax(1), nn.Linear(3, 1)), (3,), {"0": "goes into Softmax"},
        ),
        "norm": (nn.Sequential(nn.Conv1d(1, 4, 1), nn.GroupNorm(2, 4), nn.Conv1d(4, 1, 1)), (1, 5),
            {"0": "goes into GroupNorm"}),
        "shortcut": (
            Model(lambda s, x: s.b(s.a(x) + x), a=nn.Linear(3, 3), b=nn.Linear(3, 1)), (3,),
            {"a": "goes into add together with another tensor", "inputs": "its output is used in 2 places"},
        ),
        "twice": (
            Model(lambda s, x: s.b(s.a(s.a(x))), a=nn.Linear(3, 3), b=nn.Linear(3, 1)), (3,),
            {"a": "it is called more than once", "inputs": "goes into 'a', and it is called more than once"},
        ),
        "tied": (tied, (3,), {
            "0": "it shares its weights", "2": "it shares its weights",
            "inputs": "goes into '0', and it shares its weights",
        }),
        "hooked": (hooked, (3,), {"0": "goes into '1', and it has hooks"}),
        "weights used elsewhere": (
            Model(lambda s, x: s.b(F.linear(s.a(x), s.a.weight)), a=nn.Linear(3, 3), b=nn.Linear(3, 1)), (3,),
            {
                "a": "its weights are also used outside of it",
                "inputs": "goes into 'a', and its weights are also used outside of it",
            },
        ),
        "groups": (
            nn.Sequential(nn.Conv1d(4, 4, 1), nn.Conv1d(4, 4, 1, groups=2), nn.Conv1d(4, 1, 1)), (4, 5),
            {"0": "goes into '1', and it has groups", "1": "it has groups"},
        ),
        "positions": (
            nn.Sequential(nn.Conv1d(1, 4, 1), nn.Linear(5, 1)), (1, 5),
            {"0": "does not enter '1' as its features"},
        ),
        "numbers in the code": (
            Model(lambda s, x: s.b(s.a(x).view(-1, 6)), a=nn.Linear(3, 6), b=nn.Linear(6, 1)), (3,),
            {"a": "goes into view"},
        ),
        "other layers": (
            nn.Sequential(nn.Conv1d(1, 4, 1), nn.ConvTranspose1d(4, 3, 1), nn.Conv1d(3, 1, 1)), (1, 5),
            {"0": "goes into ConvTranspose1d", "1": "units of ConvTranspose1d cannot be distinguished"},
        ),
        "pooling over units": (
            nn.Sequential(nn.Linear(3, 4), nn.MaxPool1d(2), nn.Linear(2, 1)), (2, 3), {"0": "goes into MaxPool1d"},
        ),
    }  # fmt: skip
    for case, (model, shape, expected) in cases.items():
        assert segments_of(model, *shape)[1] == expected, case


def test_a_sample_that_does_not_fit() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 1))
    with pytest.raises(UntraceableError, match="RuntimeError"):
        segments_of(model, 2)


def test_tensors_in_the_users_code() -> None:
    class Shifted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.shift = nn.Linear(3, 4), nn.Linear(4, 1), torch.ones(3)

        def forward(self, x: Tensor) -> Tensor:
            return self.b(self.a(x + self.shift))

    segments, reasons = segments_of(Shifted(), 3)
    assert set(segments) == {"a"}
    assert reasons == {"inputs": "goes into add together with another tensor"}
