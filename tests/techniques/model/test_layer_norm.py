from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

from goodfit.data import Split
from goodfit.techniques import LayerNorm
from goodfit.train.config import Training
from goodfit.train.fit import fit


def normal(*shape: int, seed: int = 9) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_values_by_hand() -> None:
    """Mean 2, variance 1: (x − 2) / √1.5, times 2, plus 1."""
    layer = LayerNorm(eps=0.5).layer(features=2, spatial=0)
    with torch.no_grad():
        layer.weight.fill_(2)
        layer.bias.fill_(1)
    y = layer(torch.tensor([[1.0, 3.0], [2.0, 2.0]]))
    assert y.flatten().tolist() == pytest.approx([1 - 2 / 1.5**0.5, 1 + 2 / 1.5**0.5, 1, 1])


def test_layer_class_for_each_number_of_dimensions() -> None:
    flat = LayerNorm(eps=1e-3).layer(features=5, spatial=0)
    assert isinstance(flat, nn.LayerNorm)
    assert (flat.normalized_shape, flat.eps) == ((5,), 1e-3)
    for spatial in (1, 2, 3):
        maps = LayerNorm(eps=1e-3).layer(features=5, spatial=spatial)
        assert isinstance(maps, nn.GroupNorm)
        assert (maps.num_groups, maps.num_channels, maps.eps) == (1, 5, 1e-3)


@pytest.mark.parametrize("spatial", [0, 1, 2, 3])
def test_normalizes_each_sample_in_training_and_evaluation(spatial: int) -> None:
    layer, x = LayerNorm(eps=1e-12).layer(5, spatial).double(), 3 * normal(6, 5, *[4] * spatial) + 7
    y = layer.train()(x)
    torch.testing.assert_close(y.flatten(1).mean(1), torch.zeros(6, dtype=torch.float64), atol=1e-12, rtol=0)
    torch.testing.assert_close(y.flatten(1).var(1, correction=0), torch.ones(6, dtype=torch.float64))
    assert torch.equal(layer.eval()(x), y)
    torch.testing.assert_close(layer(x[:1]), y[:1])  # independent of the other samples, and works with a single one


@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_maps_equal_torch_layer_norm_over_channels_and_space(spatial: int) -> None:
    layer, x = LayerNorm().layer(5, spatial).double(), normal(6, 5, *[4] * spatial)
    expected = nn.functional.layer_norm(x, x.shape[1:], eps=1e-5)
    torch.testing.assert_close(layer(x), expected, rtol=1e-10, atol=1e-12)


def test_equals_keras() -> None:
    keras = pytest.importorskip("keras")
    x = normal(6, 5).float()
    expected = keras.layers.LayerNormalization(epsilon=1e-2)(x).cpu()
    ours = LayerNorm(eps=1e-2).layer(features=5, spatial=0)(x)
    torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-6)


def test_equals_torch_layers_in_the_network(three_class_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    model = make_net()
    a, b, c = (copy.deepcopy(model[i]) for i in (0, 2, 4))
    theirs = nn.Sequential(a, nn.LayerNorm(8, eps=1e-3), nn.ReLU(), b, nn.LayerNorm(8, eps=1e-3), nn.ReLU(), c)
    settings = Training(epochs=3, batch_size=16, learning_rate=0.02)
    ours, reference = (
        fit(model, three_class_split, LayerNorm(eps=1e-3), settings),
        fit(theirs, three_class_split, "", settings),
    )
    names = {"0": "0", "0.layer_norm": "1", "2": "3", "2.layer_norm": "4", "4": "6"}
    for name, tensor in ours.last.items():
        layer, _, tail = name.rpartition(".")
        torch.testing.assert_close(tensor, reference.last[f"{names[layer]}.{tail}"], rtol=1e-4, atol=1e-6)
