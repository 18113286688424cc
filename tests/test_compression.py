from __future__ import annotations

import copy
import pickle
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from goodfit.compression import Compressed, compress
from goodfit.errors import InputError
from goodfit.models import mlp
from goodfit.surgery import append_layer


class Model(nn.Module):
    """A network that computes a function of its modules and x."""

    def __init__(self, compute: Callable[[Any, Tensor], Any], **parts: nn.Module) -> None:
        super().__init__()
        self.compute = compute
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Any:
        return self.compute(self, x)


class Small(nn.Module):
    """A usual network, defined at module level so that it can be pickled."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 6, 3, padding=1)
        self.fc1, self.fc2 = nn.Linear(24, 8), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv1(x))
        x = nn.functional.max_pool2d(torch.relu(self.conv2(x)), 2)
        x = nn.functional.dropout(torch.relu(self.fc1(x.view(x.size(0), -1))), 0.5, self.training)
        return self.fc2(x)


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def initialized(model: nn.Module) -> Any:
    """The network in double precision with random weights and running statistics."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in model.double().state_dict().items():
        if tensor.is_floating_point():
            tensor.normal_(generator=generator)
            if "running_var" in name:
                tensor.abs_().add_(0.1)
    return model


def compress_and_check(model: Any, sample: Tensor, *, pass_sample: bool = True) -> Compressed:
    """Compress a network, and check that its outputs stay equal and that it is not modified."""
    state, mode, expected = copy.deepcopy(model.state_dict()), model.training, copy.deepcopy(model).eval()(sample)
    generators = torch.get_rng_state()
    small = compress(model, sample=sample if pass_sample else None)
    assert torch.equal(torch.get_rng_state(), generators)
    assert model.training == mode
    assert list(model.state_dict()) == list(state)
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert not small.model.training
    for twin in (small.model, copy.deepcopy(small.model)):
        torch.testing.assert_close(twin(sample), expected, rtol=1e-9, atol=1e-9)
    assert small.parameters_after == sum(p.numel() for p in small.model.parameters())
    assert small.parameters_before == sum(p.numel() for p in model.parameters())
    return small


def zero(*tensors: Tensor) -> None:
    with torch.no_grad():
        for tensor in tensors:
            tensor.zero_()


def test_by_hand() -> None:
    """y = 5 relu(2 x₀) + 7 relu(3) + 0 relu(x₂ + 0.5) + 1 becomes y = 5 relu(2 x₀) + 22."""
    model = nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1)).double().requires_grad_(False)
    model[0].weight.copy_(torch.tensor([[2.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    model[0].bias.copy_(torch.tensor([0.0, 3.0, 0.5]))
    model[2].weight.copy_(torch.tensor([[5.0, 7.0, 0.0]]))
    model[2].bias.fill_(1.0)
    small = compress_and_check(model, normal(5, 3))
    assert {name: t.tolist() for name, t in small.model.state_dict().items()} == {
        "inputs.index": [0],
        "network.0.weight": [[2.0]], "network.0.bias": [0.0], "network.2.weight": [[5.0]], "network.2.bias": [22.0],
    }  # fmt: skip
    assert small.inputs is not None
    assert (small.inputs.tolist(), small.inputs_before, small.units, small.kept) == ([0], 3, {"0": (3, 1)}, {})
    assert (small.parameters_before, small.parameters_after, small.ratio) == (16, 4, 4.0)
    assert small.removed == {"0": 2}


def test_removals_continue_through_the_layers() -> None:
    """Unit 0 of layer 4 is unused, so unit 1 of layer 2, unit 2 of layer 0 and input 3 become unused."""
    model = initialized(mlp(5, 2, (4, 4, 4)))
    for layer, unit, before in ((4, 0, 1), (2, 1, 2), (0, 2, 3)):
        column = model[layer].weight[:, before].clone()
        zero(model[layer].weight[:, before])
        with torch.no_grad():
            model[layer].weight[unit, before] = column[unit]
    zero(model[6].weight[:, 0])
    small = compress_and_check(model, normal(5, 5))
    assert small.units == {"0": (4, 3), "2": (4, 3), "4": (4, 3)}
    assert small.inputs is not None
    assert small.inputs.tolist() == [0, 1, 2, 4]


def test_nothing_to_remove() -> None:
    model = initialized(mlp(3, 2, (4,)))
    small = compress_and_check(model, normal(5, 3))
    assert list(small.model.state_dict()) == list(model.state_dict())
    assert (small.inputs, small.inputs_before, small.units, small.kept, small.ratio) == (None, None, {}, {}, 1.0)
    assert small.model is not model


def test_everything_is_zero() -> None:
    model = initialized(mlp(3, 2, (4, 4)))
    zero(*(layer.weight for layer in model[::2]))
    small = compress_and_check(model, normal(5, 3))
    assert small.units == {"0": (4, 1), "2": (4, 1)}
    assert small.inputs is not None
    assert len(small.inputs) == 1


def test_a_network_of_convolutions_in_a_class() -> None:
    model, x = initialized(Small()), normal(3, 2, 6, 6)
    zero(model.conv1.weight[:, 1], model.conv1.weight[3], model.conv2.weight[:, 0], model.conv2.weight[2:4])
    zero(model.fc1.weight[0], model.fc2.weight[:, 5])
    with torch.no_grad():
        model.conv1.bias[3], model.conv2.bias[2], model.conv2.bias[3] = 0.7, 0.5, -0.5
    small = compress_and_check(model, x)
    # unit 3 of conv1 is constant, but conv2 pads with zeros; the constants of conv2 go into the bias of fc1
    assert small.units == {"conv1": (4, 3), "conv2": (6, 4), "fc1": (8, 6)}
    assert small.kept == {"conv1": "1 constant units are kept: a bias of 'conv2' cannot replace them"}
    assert small.inputs is not None
    assert (small.inputs.tolist(), small.inputs_before) == ([0], 2)
    assert torch.equal(pickle.loads(pickle.dumps(small.model))(x), small.model(x))
    exported = torch.export.export(small.model, (x,)).module()
    torch.testing.assert_close(exported(x), model.eval()(x), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("training", [True, False])
def test_batch_norms_in_the_network_and_on_its_layers(training: bool) -> None:
    parts = [nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 2)]
    model, x = nn.Sequential(*parts), normal(7, 4)
    append_layer(model[3], "batch_norm", nn.BatchNorm1d(6))
    model = initialized(model).train(training)
    zero(model[1].weight[0], model[0].weight[1], model[3].weight[2], model[3].batch_norm.weight[4])
    small = compress_and_check(model, x)
    assert small.units == {"0": (5, 3), "3": (6, 4)}
    assert not any("batch_norm" in name for name in small.model.state_dict())
    assert small.model[1].num_features == 3
    assert torch.equal(pickle.loads(pickle.dumps(small.model))(x), small.model(x))


def test_units_before_a_layer_norm_are_kept() -> None:
    model = initialized(nn.Sequential(nn.Linear(4, 5), nn.LayerNorm(5), nn.Linear(5, 6), nn.ReLU(), nn.Linear(6, 2)))
    zero(model[2].weight[:, 0], model[0].weight[1], model[4].weight[:, :3])
    small = compress_and_check(model, normal(7, 4))
    assert small.units == {"2": (6, 3)}
    assert small.kept == {"0": "goes into LayerNorm"}


def test_units_within_residual_blocks_are_removed() -> None:
    block = Model(lambda s, x: x + s.two(s.one(x).relu()), one=nn.Linear(4, 6), two=nn.Linear(6, 4))
    model = initialized(nn.Sequential(nn.Linear(3, 4), block, nn.Linear(4, 2)))
    zero(block.two.weight[:, 1:4], model[2].weight[:, 0], model[0].weight[:, 1])
    small = compress_and_check(model, normal(7, 3))
    assert small.units == {"1.one": (6, 3)}
    assert small.kept == {"0": "its output is used in 2 places", "1.two": "goes into add together with another tensor"}
    assert small.inputs is not None
    assert small.inputs.tolist() == [0, 2]


@pytest.mark.parametrize("shape", [(6,), (1, 2, 3), (4, 6)])
def test_inputs_of_each_shape(shape: tuple[int, ...]) -> None:
    flat = [nn.Flatten()] if len(shape) == 3 else []
    model = initialized(nn.Sequential(*flat, nn.Linear(6, 3), nn.ReLU(), nn.Linear(3, 2)))
    zero(model[-3].weight[:, 1], model[-3].weight[:, 4])
    small = compress_and_check(model, normal(5, *shape))
    assert small.inputs is not None
    assert (small.inputs.tolist(), small.inputs_before) == ([0, 2, 3, 5], 6)
    torch.export.export(small.model, (normal(5, *shape),))


def test_changes_that_break_the_users_code_are_undone() -> None:
    """The code depends on two sizes; these changes are undone, and the others are kept."""

    def forward(s: Any, x: Tensor) -> Tensor:
        x = torch.flatten(x, 1, 2)
        return s.c(s.b(s.a(x).tanh()).relu()) * (x.size(1) / 6) + s.a.out_features

    model = initialized(Model(forward, a=nn.Linear(6, 5), b=nn.Linear(5, 4), c=nn.Linear(4, 2)))
    zero(model.a.weight[:, 0], model.b.weight[:, 1], model.c.weight[:, 2])
    small = compress_and_check(model, normal(3, 2, 3))
    assert small.units == {"b": (4, 3)}
    assert small.kept == {
        "a": "without its unused units the outputs would differ",
        "inputs": "without the unused inputs the outputs would differ",
    }


def test_untraceable_and_random_networks_are_only_copied() -> None:
    branching = initialized(
        Model(lambda s, x: s.b(s.a(x)) if x.sum() > 0 else s.a(x)[:, :2], a=nn.Linear(3, 4), b=nn.Linear(4, 2))
    )
    zero(branching.a.weight, branching.b.weight)
    small = compress_and_check(branching, normal(5, 3))
    assert small.ratio == 1
    assert "cannot be traced (TraceError" in small.kept["the network"]
    noisy = initialized(
        Model(lambda s, x: s.a(x) + 0 * torch.rand(1) if s.a is None else s.a(x) * torch.rand(1), a=nn.Linear(3, 4))
    )
    zero(noisy.a.weight[:, 0])
    small = compress(noisy, sample=normal(5, 3))
    assert small.kept == {"the network": "its outputs differ from one call to the next"}
    assert torch.equal(small.model.a.weight, noisy.a.weight)


def test_layers_with_hooks_are_not_changed() -> None:
    model = initialized(mlp(3, 2, (4, 4)))
    zero(model[2].weight[:, 0], model[4].weight[:, 0])
    model[0].register_forward_hook(double)
    small = compress_and_check(model, normal(5, 3))
    assert small.units == {"2": (4, 3)}
    assert small.kept == {"0": "it has hooks", "inputs": "goes into '0', and it has hooks"}


def double(layer: nn.Module, args: Any, output: Tensor) -> Tensor:
    return 2 * output


def test_random_rows_replace_the_sample() -> None:
    model = initialized(mlp(3, 2, (4,)))
    zero(model[0].weight[0])
    assert compress_and_check(model, normal(5, 3), pass_sample=False).units == {"0": (4, 3)}
    assert compress(initialized(mlp((1, 2, 3), 2, (4,)))).ratio == 1
    run = SimpleNamespace(
        model=initialized(nn.Sequential(nn.Conv1d(2, 3, 1))), spec=SimpleNamespace(input_shape=(2, 5))
    )
    assert compress(run).ratio == 1
    with pytest.raises(
        InputError, match="compress: the input shape of a network that starts with Conv1d must be known; pass"
    ):
        compress(run.model)


def test_a_sample_that_does_not_fit() -> None:
    with pytest.raises(
        InputError, match=r"compress: the network must accept the sample, got rows of shape \(4,\) and Runt"
    ):
        compress(mlp(3, 2, (4,)), sample=torch.ones(2, 4))


def test_token_inputs_and_several_outputs() -> None:
    def forward(s: Any, x: Tensor) -> dict[str, Any]:
        h = s.embed(x).flatten(1)
        h = s.b(s.a(h).relu())
        return {"h": h, "more": [s.c(h), (s.d(h),)]}

    parts = {
        "embed": nn.Embedding(9, 2),
        "a": nn.Linear(6, 5),
        "b": nn.Linear(5, 4),
        "c": nn.Linear(4, 1),
        "d": nn.Linear(4, 1),
    }
    model, x = initialized(Model(forward, **parts)), torch.arange(9).reshape(3, 3)
    zero(model.b.weight[:, 2])
    small = compress(model, sample=x)
    assert small.units == {"a": (5, 4)}
    torch.testing.assert_close(small.model(x), model(x), rtol=1e-9, atol=1e-9)
    with pytest.raises(InputError, match="starts with Embedding must be known"):
        compress(model)


def test_weight_normed_networks_are_copied() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        net = nn.Sequential(nn.utils.weight_norm(nn.Linear(3, 4)), nn.ReLU(), nn.Linear(4, 2))
    net(torch.ones(1, 3))
    assert compress(net, sample=torch.ones(2, 3)).parameters_before == 30


def test_something_else_is_refused() -> None:
    with pytest.raises(InputError, match="compress: run_or_model must be a network or a run, got 3"):
        compress(3)  # type: ignore[arg-type]
