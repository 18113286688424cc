from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.recipe import Recipe
from goodfit.techniques import WeightNoise
from goodfit.train.stages.on_model import attach_layers


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 9) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def test_values_by_hand() -> None:
    """Weights 2, 6, 4, 4 have the standard deviation √2."""
    w = torch.tensor([[2.0, 6.0], [4.0, 4.0]], dtype=torch.float64)
    z = torch.tensor([[1.0, 0.0], [-2.0, 0.5]], dtype=torch.float64)
    assert WeightNoise(0.5).perturb(w, (z,)).tolist() == [[2.5, 6.0], [3.0, 4.25]]
    relative = WeightNoise(0.5, relative=True).perturb(w, (z,))
    root = math.sqrt(2)
    assert relative.flatten().tolist() == pytest.approx([2 + root / 2, 6, 4 - root, 4 + root / 4], rel=1e-15)


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("stddev", [0.001, 0.3])
def test_moments(stddev: float, relative: bool) -> None:
    w, noise = 0.05 * normal(400, 500) + 1, WeightNoise(stddev, relative=relative)
    added = noise.perturb(w, noise.draw(w, generator())) - w
    expected = stddev * (float(w.numpy().std()) if relative else 1)
    n = w.numel()
    assert float(added.mean()) == pytest.approx(0, abs=4 * expected / math.sqrt(n))
    assert float(added.std()) == pytest.approx(expected, rel=4 / math.sqrt(2 * n))
    assert float((added / expected).pow(4).mean()) == pytest.approx(3, abs=4 * math.sqrt(96 / n))


def test_output_of_a_linear_layer_has_the_variance_of_the_noise() -> None:
    """Var of Σ x (w + s z) over draws is s² Σ x²."""
    x, w, noise, g = normal(1, 20, seed=1), normal(3, 20, seed=2), WeightNoise(0.2), generator()
    outputs = torch.cat([F.linear(x, noise.perturb(w, noise.draw(w, g))) for _ in range(4000)])
    expected = 0.04 * float(x.square().sum())
    assert outputs.var(0).tolist() == pytest.approx([expected] * 3, rel=4 * math.sqrt(2 / 4000))
    bound = 4 * math.sqrt(expected / 4000)
    assert outputs.mean(0).tolist() == pytest.approx(F.linear(x, w)[0].tolist(), abs=bound)


@pytest.mark.parametrize("relative", [False, True])
def test_gradient_is_that_of_the_weight(relative: bool) -> None:
    w, c = normal(3, 4).requires_grad_(), normal(3, 4, seed=1)
    (c * WeightNoise(0.5, relative=relative).perturb(w, (normal(3, 4, seed=2),))).sum().backward()
    assert torch.equal(w.grad, c)


@pytest.mark.parametrize("relative", [False, True])
def test_neutral_is_bit_equal_and_draws_differ(relative: bool) -> None:
    w, off, g = normal(6, 5).float(), WeightNoise(0.0, relative=relative), generator()
    assert torch.equal(off.perturb(w, off.draw(w, g)), w)
    first, second = off.draw(w, g)[0], off.draw(w, g)[0]
    assert not torch.equal(first, second)
    assert first.dtype == torch.float32


def test_relative_noise_on_a_constant_tensor_is_zero() -> None:
    b, noise = torch.zeros(1), WeightNoise(0.5, relative=True)
    assert torch.equal(noise.perturb(b, noise.draw(b, generator())), b)  # not NaN


@pytest.mark.parametrize("relative", [False, True])
def test_vmap_over_population_members(relative: bool) -> None:
    w, z, scales = normal(3, 5, 6, seed=1), normal(3, 5, 6, seed=2), torch.tensor([0.0, 0.5, 2.0], dtype=torch.float64)

    def member(stddev: Tensor, w: Tensor, draw: Tensor) -> Tensor:
        return WeightNoise(relative=relative).with_values(stddev=stddev).perturb(w, (draw,))

    stacked = torch.func.vmap(member)(scales, w, z)
    for i, stddev in enumerate(scales):
        torch.testing.assert_close(stacked[i], WeightNoise(float(stddev), relative).perturb(w[i], (z[i],)))


def test_weights_are_restored_after_each_pass(three_class_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    model, x = make_net(), three_class_split.train.x
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    plain = model.eval()(x)
    attachment = attach_layers(model, Recipe.of(WeightNoise(0.3, on="last")))
    attachment.context.generator = generator()
    noisy = model.train()(x)
    z = torch.empty(3, 8).normal_(generator=generator())
    expected = F.linear(model[:4](x), before["4.weight"] + 0.3 * z, before["4.bias"])
    torch.testing.assert_close(noisy, expected)
    assert all(torch.equal(model.state_dict()[name], tensor) for name, tensor in before.items())
    noisy.sum().backward()
    assert model[4].weight.grad is not None  # the gradient arrives at the weight itself
    assert torch.equal(model.eval()(x), plain)
