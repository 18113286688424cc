"""Wrapped forward passes and replaced parameters."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from goodfit import surgery


class Times:
    """Multiplies the output of a layer."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def __call__(
        self, layer: nn.Module, forward: surgery.Forward, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Tensor:
        return self.factor * forward(*args, **kwargs)


@pytest.mark.parametrize("first", [0, 1, 2])
def test_wrappers_nest_and_can_be_removed_in_any_order(first: int) -> None:
    layer, x = nn.Linear(3, 2), torch.ones(1, 3)
    expected = layer(x)
    handles = [surgery.wrap_forward(layer, Times(factor)) for factor in (2.0, 3.0, 5.0)]
    torch.testing.assert_close(layer(x), 30 * expected)
    handles[first].remove()
    torch.testing.assert_close(layer(x), 30 / (2.0, 3.0, 5.0)[first] * expected)
    for handle in handles:
        handle.remove()  # removing twice has no effect
    assert torch.equal(layer(x), expected)
    assert "forward" not in layer.__dict__


def test_copies_and_pickles_wrap_their_own_layer() -> None:
    layer, x = nn.Sequential(nn.Linear(3, 2)), torch.ones(1, 3)
    surgery.wrap_forward(layer[0], Times(2.0))
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        with torch.no_grad():
            twin[0].weight.zero_()
            twin[0].bias.fill_(1.0)
        assert torch.equal(twin(x), torch.full((1, 2), 2.0))
    assert not torch.equal(layer(x), torch.full((1, 2), 2.0))


@pytest.mark.parametrize("kind", [nn.Linear, nn.LSTM, nn.GRU, nn.MultiheadAttention])
def test_replaced_parameters_are_used_and_restored_even_after_an_error(kind: type[nn.Module]) -> None:
    layer = kind(4, 4) if kind is not nn.MultiheadAttention else kind(4, 2)
    x = torch.randn(3, 2, 4, generator=torch.Generator().manual_seed(0))
    args = (x, x, x) if kind is nn.MultiheadAttention else (x,)

    def output() -> Tensor:
        result = layer(*args)
        return result[0] if isinstance(result, tuple) else result

    before, originals = output(), dict(layer.named_parameters())
    zeros = {name: torch.zeros_like(p) for name, p in originals.items()}
    with surgery.replace_parameters(layer, zeros):
        assert not output().any()
    with pytest.raises(KeyboardInterrupt), surgery.replace_parameters(layer, zeros):
        raise KeyboardInterrupt
    assert torch.equal(output(), before)
    assert all(p is originals[name] for name, p in layer.named_parameters())


def test_gradients_reach_the_original_parameters() -> None:
    layer, x = nn.Linear(3, 2), torch.ones(1, 3)
    with surgery.replace_parameters(layer, {"weight": layer.weight * 2}):
        layer(x).sum().backward()
    assert torch.equal(layer.weight.grad, torch.full((2, 3), 2.0))


def test_the_users_own_forward_of_a_layer_is_kept() -> None:
    layer, x = nn.Linear(2, 2), torch.ones(1, 2)
    own = layer.forward = lambda x: 7 * x  # type: ignore[method-assign]
    wrapper = surgery.wrap_forward(layer, lambda _, forward, args, kwargs: forward(*args, **kwargs) + 1)
    assert layer(x).tolist() == [[8.0, 8.0]]
    wrapper.remove()
    assert layer.forward is own
    assert layer(x).tolist() == [[7.0, 7.0]]
