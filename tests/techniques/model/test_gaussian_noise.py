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


def test_any_nonnegative_stddev_is_allowed() -> None:
    for stddev in (0, 0.0, 1.0, 1.5, 1000):  # Keras rejects values above 1
        assert GaussianNoise(stddev, stddev).stddev == stddev
    for stddev in (-0.1, float("inf"), float("nan")):
        with pytest.raises(InputError, match=r"GaussianNoise: stddev must be in \[0, inf\), got stddev="):
            GaussianNoise(stddev)


def test_input_and_hidden_stddev_are_separate(make_net: Callable[..., nn.Sequential]) -> None:
    x, model, layer_inputs = torch.ones(4000, 6), make_net(), {}
    attachment = attach_layers(model, Recipe.of(GaussianNoise(0.5, input_stddev=2.0)))
    attachment.context.generator = generator()
    for name, layer in model.named_children():
        layer.register_forward_pre_hook(lambda _, args, name=name: layer_inputs.update({name: args[0].detach()}))
    noisy = model.train()(x)
    assert float((layer_inputs["0"] - x).std()) == pytest.approx(2.0, rel=0.02)
    for before, layer in (("1", "2"), ("3", "4")):
        assert float((layer_inputs[layer] - layer_inputs[before].relu()).std()) == pytest.approx(0.5, rel=0.02)
    assert torch.equal(noisy, nn.functional.linear(layer_inputs["4"], model[4].weight, model[4].bias))
    assert len(attach_layers(make_net(), Recipe.of(GaussianNoise(0.5, 0.0))).training_hooks) == 2


def test_identity_in_evaluation(make_net: Callable[..., nn.Sequential]) -> None:
    x, model = torch.ones(4, 6), make_net().eval()
    plain = model(x)
    attach_layers(model, Recipe.of(GaussianNoise(5.0))).context.generator = generator()
    assert torch.equal(model(x), plain)
