"""Copies of networks share no tensor with the original."""

from __future__ import annotations

import warnings

import torch
from torch import nn

from goodfit.surgery import copy_module


def test_a_copy_is_equal_and_independent() -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).eval()
    twin = copy_module(model)
    assert not twin.training
    assert twin.state_dict().keys() == model.state_dict().keys()
    for name, tensor in twin.state_dict().items():
        assert torch.equal(tensor, model.state_dict()[name])
        assert tensor.data_ptr() != model.state_dict()[name].data_ptr()
    with torch.no_grad():
        twin[0].weight.zero_()  # type: ignore[union-attr,operator]
    assert bool(model[0].weight.any())


def test_shared_weights_stay_shared() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    model[1].weight = model[0].weight
    twin = copy_module(model)
    assert twin[1].weight is twin[0].weight  # type: ignore[index]
    assert twin[0].weight is not model[0].weight  # type: ignore[index]


def test_layers_that_store_a_computed_tensor_are_copied() -> None:
    """torch refuses to copy tensors that are computed from weights, as the old weight_norm stores them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        model = nn.utils.weight_norm(nn.Linear(3, 2))
    x = torch.randn(4, 3)
    before, stored = model(x), model.weight
    twin = copy_module(model)
    assert torch.equal(twin(x), before)
    with torch.no_grad():
        twin.weight_g.mul_(2)  # type: ignore[operator,union-attr]
    torch.testing.assert_close(twin(x) - twin.bias, 2 * (before - model.bias))  # type: ignore[operator]
    assert model.weight is stored
    assert torch.equal(model(x), before)
