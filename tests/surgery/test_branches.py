from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from goodfit.errors import InputError
from goodfit.surgery import residual_branches


class Model(nn.Module):
    """A network that computes a function of its modules and x."""

    def __init__(self, compute: Callable[[Any, Tensor], Any], **parts: nn.Module) -> None:
        super().__init__()
        self.compute = compute
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Any:
        return self.compute(self, x)


class BasicBlock(nn.Module):
    """The basic block of a ResNet."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs)
        self.conv2, self.bn2 = nn.Conv2d(outputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs)
        self.relu, self.downsample = nn.ReLU(inplace=True), None
        if inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class Mlp(nn.Sequential):
    """Two linear layers."""

    def __init__(self, width: int = 4) -> None:
        super().__init__(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))


def pre_norm(width: int = 4) -> Model:
    return Model(lambda s, x: x + s.mlp(s.norm(x)), norm=nn.LayerNorm(width), mlp=Mlp(width))


def names(model: nn.Module, on: str = "") -> list[str]:
    branches = residual_branches(model, on, "DropPath")
    assert all(model.get_submodule(name) is module for name, module in branches)
    return [name for name, _ in branches]


def encoder(**options: Any) -> nn.TransformerEncoder:
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, **options)
    return nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)


ENCODERS = [f"layers.{layer}.dropout{number}" for layer in (0, 1) for number in (1, 2)]


def test_basic_blocks_with_and_without_downsample() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(BasicBlock(4, 4), BasicBlock(4, 8)), BasicBlock(8, 8))
    assert names(model) == ["1.0.bn2", "1.1.bn2", "2.bn2"]


def test_pre_norm_blocks_in_nested_sequentials() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Sequential(pre_norm(), nn.Sequential(pre_norm())), nn.Linear(4, 2))
    assert names(model) == ["1.0.mlp", "1.1.0.mlp"]


@pytest.mark.parametrize(
    "add",
    [
        lambda a, b: a + b,
        lambda a, b: b + a,
        torch.add,
        lambda a, b: a.add(b),
        lambda a, b: b.add_(a),
        lambda a, b: torch.add(a, b, alpha=0.5),
        lambda a, b: torch.add(input=a, other=b),
    ],
)
def test_ways_to_add(add: Callable[[Tensor, Tensor], Tensor]) -> None:
    assert names(Model(lambda s, x: add(x, s.mlp(x)), mlp=Mlp())) == ["mlp"]


def test_torchs_transformers() -> None:
    assert names(encoder()) == ENCODERS
    assert names(encoder(norm_first=True)) == ENCODERS
    mixed = Model(lambda s, x: s.last(s.body(s.first(x))), first=pre_norm(8), body=encoder(), last=pre_norm(8))
    assert names(mixed) == ["first.mlp", *(f"body.{name}" for name in ENCODERS), "last.mlp"]
    decoder = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16), 1)
    assert names(decoder) == [f"layers.0.dropout{number}" for number in (1, 2, 3)]
    assert names(nn.TransformerEncoderLayer(8, 2)) == ["dropout1", "dropout2"]
    both = names(nn.Transformer(8, 2, 1, 1, 16, batch_first=True))
    assert both == [f"encoder.layers.0.dropout{n}" for n in (1, 2)] + [
        f"decoder.layers.0.dropout{n}" for n in (1, 2, 3)
    ]


def test_untraceable_networks_have_the_branches_of_their_transformers() -> None:
    branching = Model(lambda s, x: s.body(x) if x.sum() > 0 else x, body=encoder())
    assert names(branching) == [f"body.{name}" for name in ENCODERS]


def test_parallel_branches_of_one_shortcut() -> None:
    """x + long(n) + short(n): `short` is a branch although its path from n is not the longer one."""
    model = Model(
        lambda s, x: x + s.long(s.norm(x)) + s.short(s.norm(x)),
        norm=nn.LayerNorm(4), long=nn.Sequential(Mlp(), Mlp()), short=nn.Linear(4, 4),
    )  # fmt: skip
    assert names(model) == ["long", "short"]


def test_branches_end_before_scaling_and_dropout() -> None:
    model = Model(lambda s, x: x + nn.functional.dropout(0.1 * s.mlp(x), 0.2, s.training), mlp=Mlp())
    model.scale = nn.Parameter(torch.ones(4))
    assert names(model) == ["mlp"]
    model.compute = lambda s, x: x + s.scale * s.mlp(x)
    assert names(model) == ["mlp"]


def test_the_outermost_module_that_only_returns_branches() -> None:
    class Inner(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 4)

        def forward(self, x: Tensor) -> Tensor:
            return nn.functional.relu(self.linear(x))  # ends in a function, so the module ends the branch

    assert names(Model(lambda s, x: x + s.inner(x), inner=Inner())) == ["inner"]
    # `inner` is also called outside of a branch; `wrapped`, which returns its output, is not.
    inner = Inner()
    model = Model(lambda s, x: s.inner(x) + s.wrapped(s.inner(x)), inner=inner, wrapped=nn.Sequential(inner))
    assert names(model) == ["wrapped"]


def test_a_module_that_ends_two_branches_is_listed_once() -> None:
    def twice(s: Any, x: Tensor) -> Tensor:
        x = x + s.mlp(x)
        return x + s.mlp(x)

    assert names(Model(twice, mlp=Mlp())) == ["mlp"]


def test_sums_without_branches() -> None:
    shifted = Model(lambda s, x: s.linear(x) + s.shift, linear=nn.Linear(4, 4))
    shifted.shift = nn.Parameter(torch.zeros(4))
    cases = {
        "plain MLP": (nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2)), 0),
        "a weight": (shifted, 0),
        "a number": (Model(lambda s, x: s.linear(x) + 1, linear=nn.Linear(4, 4)), 0),
        "two paths of equal length": (Model(lambda s, x: s.a(x) + s.b(x), a=nn.Linear(4, 4), b=nn.Linear(4, 4)), 1),
        "without modules": (Model(lambda s, x: x + x.tanh()), 1),
        "only the shape": (Model(lambda s, x: s.a(x) + s.b(x.new_zeros(x.shape)), a=Mlp(), b=nn.Linear(4, 4)), 1),
    }
    for case, (model, additions) in cases.items():
        with pytest.raises(InputError) as raised:
            residual_branches(model, "", "DropPath")
        assert str(raised.value) == (
            f"DropPath: the network must have residual branches, got none in {additions} additions; name the "
            "modules that end a branch with on=."
        ), case


def test_branches_must_end_in_a_module() -> None:
    attention = Model(lambda s, x: x + s.attention(x, x, x)[0], attention=nn.MultiheadAttention(4, 2))
    function = Model(lambda s, x: x + s.linear(x).relu(), linear=nn.Linear(4, 4))
    for model in (nn.Sequential(pre_norm(), attention), function):
        with pytest.raises(
            InputError, match="DropPath: a residual branch must end in a module that returns one tensor"
        ):
            residual_branches(model, "", "DropPath")
    with pytest.raises(InputError, match=r"got 'relu' in '1'; name the modules"):
        residual_branches(nn.Sequential(pre_norm(), function), "", "DropPath")


def test_an_untraceable_forward_pass() -> None:
    model = Model(lambda s, x: x + s.mlp(x) if x.sum() > 0 else x, mlp=Mlp())
    with pytest.raises(InputError, match=r"DropPath: .* cannot be traced \(TraceError: .*name the modules .* with on="):
        residual_branches(model, "", "DropPath")
    assert names(model, "mlp") == ["mlp"]


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        ("*.mlp", ["0.mlp", "1.mlp"]),
        ("Mlp", ["0.mlp", "1.mlp"]),
        ("LayerNorm Mlp 1.*", ["1.norm", "1.mlp"]),
        ("*.mlp !0.*", ["1.mlp"]),
        ("0.norm 1.mlp", ["0.norm", "1.mlp"]),
        ("Sequential", ["0.mlp", "1.mlp"]),  # a subclass matches the name of its base class
    ],
)
def test_selected_by_name(on: str, expected: list[str]) -> None:
    assert names(nn.Sequential(pre_norm(), pre_norm()), on) == expected


def test_errors_suggest_similar_names() -> None:
    model = nn.Sequential(pre_norm())
    for on, hint in (("0.mpl", "Did you mean '0.mlp'"), ("Lineer", "Did you mean 'Linear'")):
        with pytest.raises(InputError, match=f"DropPath: on must match a module of the network, got on='{on}'. {hint}"):
            residual_branches(model, on, "DropPath")
    with pytest.raises(InputError, match=r"got on='\*', which selects 'attention' \(MultiheadAttention\)"):
        residual_branches(Model(lambda s, x: x, attention=nn.MultiheadAttention(4, 2)), "*", "DropPath")


def test_the_network_and_the_generators_do_not_change() -> None:
    def forward(s: Any, x: Tensor) -> Tensor:
        s.calls = s.calls + 1
        s.last = x
        s.count += 1
        torch.rand(1), random.random(), np.random.rand()
        return x + s.mlp(x)

    hook_calls: list[Any] = []
    model = Model(forward, mlp=Mlp())
    model.calls, model.last = 0, None
    model.register_buffer("count", torch.zeros(()))
    model.mlp.register_forward_hook(lambda *args: hook_calls.append(args))
    before = {name: id(value) for name, value in model.__dict__.items()}
    state = copy.deepcopy(model.state_dict())
    generators = torch.get_rng_state(), random.getstate(), np.random.get_state()[1]
    assert names(model) == ["mlp"]
    assert torch.equal(torch.get_rng_state(), generators[0])
    assert random.getstate() == generators[1]
    assert np.array_equal(np.random.get_state()[1], generators[2])
    assert {name: id(value) for name, value in model.__dict__.items()} == before
    assert (model.calls, model.last, hook_calls) == (0, None, [])
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in state.items())
    assert len(model.mlp._forward_hooks) == 1


def test_a_blank_selector_detects_the_branches() -> None:
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> Tensor:
            return x + self.inner(x)

    assert [name for name, _ in residual_branches(Block(), "  ", "DropPath")] == ["inner"]
