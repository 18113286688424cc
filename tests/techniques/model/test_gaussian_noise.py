from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.techniques import GaussianNoise
from goodfit.train.stages.on_model import attach_layers


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("stddev", [0.01, 1.0, 30.0])
def test_moments(stddev: float) -> None:
    x = torch.full((400, 500), 2.0, dtype=torch.float64)
    noise = GaussianNoise(stddev)
    z = (noise.perturb(x, noise.draw(x, generator())) - x) / stddev
    assert z.dtype == torch.float64
    assert float(z.mean()) == pytest.approx(0, abs=0.01)
    assert float(z.var()) == pytest.approx(1, rel=0.01)
    assert float(z.pow(3).mean()) == pytest.approx(0, abs=0.03)
    assert float(z.pow(4).mean()) == pytest.approx(3, rel=0.03)


def test_any_stddev_from_zero_up() -> None:
    for stddev in (0, 0.0, 1.0, 1.5, 1000):  # Keras refuses what exceeds 1
        assert GaussianNoise(stddev, stddev).stddev == stddev
    for stddev in (-0.1, float("inf"), float("nan")):
        with pytest.raises(InputError, match=r"GaussianNoise: stddev must be in \[0, inf\), got stddev="):
            GaussianNoise(stddev)


def test_input_and_hidden_have_their_own(make_net: Callable[..., nn.Sequential]) -> None:
    x, model, seen = torch.ones(4000, 6), make_net(), {}
    attachment = attach_layers(model, Recipe.of(GaussianNoise(0.5, input_stddev=2.0)))
    attachment.source.generator = generator()
    for name, layer in model.named_children():
        layer.register_forward_pre_hook(lambda _, args, name=name: seen.update({name: args[0].detach()}))
    noisy = model.train()(x)
    assert float((seen["0"] - x).std()) == pytest.approx(2.0, rel=0.02)
    for before, layer in (("1", "2"), ("3", "4")):
        assert float((seen[layer] - seen[before].relu()).std()) == pytest.approx(0.5, rel=0.02)
    assert torch.equal(noisy, nn.functional.linear(seen["4"], model[4].weight, model[4].bias))
    assert len(attach_layers(make_net(), Recipe.of(GaussianNoise(0.5, 0.0))).noises) == 2


def test_identity_in_evaluation(make_net: Callable[..., nn.Sequential]) -> None:
    x, model = torch.ones(4, 6), make_net().eval()
    plain = model(x)
    attach_layers(model, Recipe.of(GaussianNoise(5.0))).source.generator = generator()
    assert torch.equal(model(x), plain)
