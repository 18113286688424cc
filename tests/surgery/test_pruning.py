from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from goodfit.surgery.hooks import append_layer
from goodfit.surgery.pruning import fold_batch_norms, plan_pruning, prune_units
from goodfit.surgery.segments import find_segments
from goodfit.surgery.tracing import trace_graph


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def initialized(model: nn.Module) -> nn.Module:
    """The network in double precision with random weights and running statistics."""
    generator = torch.Generator().manual_seed(0)
    for tensor in model.double().eval().state_dict().values():
        if tensor.is_floating_point():
            tensor.normal_(generator=generator)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_var is not None:
            module.running_var.uniform_(0.5, 2, generator=generator)
    return model


def prune_first(model: nn.Module, x: Tensor) -> list[bool]:
    """Prune the first segment; returns which units are kept."""
    segment = find_segments(trace_graph(model), model, x)[0][0]
    pruning = plan_pruning(model, segment)
    prune_units(model, segment, pruning)
    return pruning.keep.tolist()


def test_a_constant_is_folded_into_the_bias_by_hand() -> None:
    """y = 2 relu(x) + 3 relu(5) + 1 becomes y = 2 relu(x) + 16."""
    model = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1)).double().requires_grad_(False)
    for tensor, values in zip(model.parameters(), ([[1.0], [0.0]], [0.0, 5.0], [[2.0, 3.0]], [1.0]), strict=True):
        tensor.copy_(torch.tensor(values))
    assert prune_first(model, normal(4, 1)) == [True, False]
    assert [p.tolist() for p in model.parameters()] == [[[1.0]], [0.0], [[2.0]], [16.0]]
    assert (model[0].out_features, model[2].in_features) == (1, 1)


@pytest.mark.parametrize("bias", [True, False])
def test_requires_grad_is_kept(bias: bool) -> None:
    model = initialized(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2, bias=bias)))
    model[2].weight.requires_grad_(False)
    with torch.no_grad():
        model[0].weight[1] = 0
    x = normal(5, 2)
    expected = model(x)
    assert prune_first(model, x) == [True, False, True]
    torch.testing.assert_close(model(x), expected, rtol=1e-12, atol=1e-12)
    assert model[0].weight.requires_grad
    assert not model[2].weight.requires_grad


def test_batch_norm_and_prelu_lose_their_features() -> None:
    parts = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.PReLU(4), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 2)
    model, x = initialized(nn.Sequential(*parts)), normal(3, 1, 6, 6)
    with torch.no_grad():
        model[0].weight[0] = 0  # constant
        model[1].weight[2] = 0  # constant after the norm
        model[5].weight[:, 4:8] = 0  # unit 1 has no outgoing weights
    expected = model(x)
    assert prune_first(model, x) == [False, False, False, True]
    torch.testing.assert_close(model(x), expected, rtol=1e-12, atol=1e-12)
    assert (model[0].out_channels, model[1].num_features, model[2].num_parameters, model[5].in_features) == (1, 1, 1, 4)
    assert model[1].running_mean.shape == model[1].running_var.shape == (1,)


@pytest.mark.parametrize(
    ("conv", "constant", "removed"),
    [
        (nn.Conv1d(2, 2, 3), 1.5, True),
        (nn.Conv1d(2, 2, 3, padding=1), 1.5, False),
        (nn.Conv1d(2, 2, 3, padding="same"), 1.5, False),
        (nn.Conv1d(2, 2, 3, padding="valid"), 1.5, True),
        (nn.Conv1d(2, 2, 1, padding="same"), 1.5, True),
        (nn.Conv1d(2, 2, 3, padding=1), -1.5, True),  # zero after the ReLU, like the padding
        (nn.Conv1d(2, 2, 3, padding=1, padding_mode="replicate"), 1.5, True),
        (nn.Conv1d(2, 2, 3, padding=1, padding_mode="circular"), 1.5, True),
    ],
)
def test_constants_before_a_padded_convolution(conv: nn.Module, constant: float, removed: bool) -> None:
    model, x = initialized(nn.Sequential(nn.Conv1d(1, 2, 1), nn.ReLU(), conv)), normal(3, 1, 6)
    with torch.no_grad():
        model[0].weight[0], model[0].bias[0], model[0].bias[1] = 0, constant, 1
    expected = model(x)
    assert prune_first(model, x) == [not removed, True]
    torch.testing.assert_close(model(x), expected, rtol=1e-12, atol=1e-12)


def test_a_constant_that_depends_on_the_position() -> None:
    """Average pooling with zero padding makes a constant channel smaller at its ends."""
    model, x = (
        initialized(nn.Sequential(nn.Conv1d(1, 2, 1), nn.AvgPool1d(3, 1, padding=1), nn.Conv1d(2, 1, 1))),
        normal(2, 1, 5),
    )
    with torch.no_grad():
        model[0].weight[0] = 0
    segment = find_segments(trace_graph(model), model, x)[0][0]
    pruning = plan_pruning(model, segment)
    assert (pruning.keep.tolist(), pruning.removes, pruning.unfoldable) == ([True, True], False, 1)


def test_one_unit_is_kept_and_not_folded() -> None:
    model, x = initialized(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))), normal(4, 2)
    with torch.no_grad():
        model[0].weight.zero_()
    expected = model(x)
    assert prune_first(model, x) == [True, False, False]
    torch.testing.assert_close(model(x), expected, rtol=1e-12, atol=1e-12)


def test_not_a_number_is_not_zero() -> None:
    model = initialized(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2)))
    with torch.no_grad():
        model[0].weight[0], model[1].weight[:, 1] = float("nan"), float("nan")
    assert not plan_pruning(model, find_segments(trace_graph(model), model, normal(4, 2))[0][0]).removes


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_folded_norms(affine: bool, bias: bool) -> None:
    model, x = (
        nn.Sequential(nn.Conv2d(1, 3, 2, bias=bias), nn.Flatten(), nn.Linear(12, 2, bias=bias)),
        normal(4, 1, 3, 3),
    )
    append_layer(model[0], "batch_norm", nn.BatchNorm2d(3, affine=affine))
    append_layer(model[2], "batch_norm", nn.BatchNorm1d(2, affine=affine))
    expected = initialized(model)(x)
    fold_batch_norms(model)
    torch.testing.assert_close(model(x), expected, rtol=1e-12, atol=1e-12)
    assert set(model.state_dict()) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    assert not model[0]._forward_hooks


def test_norms_that_cannot_be_folded_are_kept() -> None:
    for norm in (nn.LayerNorm(3), nn.BatchNorm1d(3, track_running_stats=False)):
        model = nn.Sequential(nn.Linear(2, 3))
        append_layer(model[0], "norm", norm)
        before = copy.deepcopy(initialized(model))
        fold_batch_norms(model)
        assert list(model.state_dict()) == list(before.state_dict())
        assert torch.equal(model(normal(4, 2)), before(normal(4, 2)))
