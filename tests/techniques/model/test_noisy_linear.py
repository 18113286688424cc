from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.recipe import Recipe
from goodfit.techniques import NoisyLinear
from goodfit.train.stages.on_model import attach_layers


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(*shape: int, seed: int = 9) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=torch.float64)


def test_values_by_hand() -> None:
    """f(4) = 2, f(−9) = −3; f(1) = 1, f(0) = 0, f(−16) = −4."""
    draw = torch.tensor([4.0, -9.0], dtype=torch.float64), torch.tensor([1.0, 0.0, -16.0], dtype=torch.float64)
    w, sigma = torch.ones(2, 3, dtype=torch.float64), torch.tensor([[1.0, 1.0, 1.0], [0.5, 1.0, 2.0]])
    assert NoisyLinear(0.5).perturb(w, draw).tolist() == [[2.0, 1.0, -3.0], [-0.5, 1.0, 7.0]]
    assert NoisyLinear().with_values(sigma=sigma.double()).perturb(w, draw).tolist() == [[3, 1, -7], [-0.5, 1, 25]]
    assert NoisyLinear(0.5).perturb(w[:, 0], draw[:1]).tolist() == [2.0, -0.5]  # a bias


@pytest.mark.parametrize("shape", [(6, 16), (6, 4, 2, 2)])
def test_initial_scale_depends_on_the_number_of_inputs(shape: tuple[int, ...]) -> None:
    w = normal(*shape).requires_grad_()
    learned = NoisyLinear(0.5).initial_values(w)
    assert list(learned) == ["sigma"]
    assert torch.equal(learned["sigma"], torch.full(shape, 0.5 / 4, dtype=torch.float64))
    assert not learned["sigma"].requires_grad
    assert NoisyLinear(0.5).initial_values(torch.zeros(25))["sigma"].tolist() == pytest.approx([0.1] * 25)
    assert not NoisyLinear(0.0).initial_values(w)["sigma"].any()


def test_moments_of_the_noise() -> None:
    """E f(ε)² = E|ε| = √(2/π): the noise of a weight has variance 2/π, that of a bias √(2/π); all are uncorrelated."""
    g, draws = generator(), 4000
    weights, biases = [], []
    noisy, w, b = NoisyLinear(1.0), torch.zeros(2, 3, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
    for _ in range(draws):
        weights.append(noisy.perturb(w, noisy.draw(w, g)).flatten())
        biases.append(noisy.perturb(b, noisy.draw(b, g)))
    for noise, variance in ((torch.stack(weights), 2 / math.pi), (torch.stack(biases), math.sqrt(2 / math.pi))):
        second = noise.T @ noise / draws
        fourth = noise.pow(4).mean(0)
        se = float((fourth.max() / draws).sqrt())
        assert bool((noise.mean(0).abs() < 4.5 * math.sqrt(variance / draws)).all())
        expected = variance * torch.eye(len(second), dtype=torch.float64)
        torch.testing.assert_close(second, expected, atol=4.5 * se, rtol=0)


def test_noise_has_rank_one() -> None:
    noisy, w = NoisyLinear(1.0), torch.zeros(5, 7, dtype=torch.float64)
    values = torch.linalg.svdvals(noisy.perturb(w, noisy.draw(w, generator())))
    assert values[0] > 0.1
    assert float(values[1]) == pytest.approx(0, abs=1e-12)


def test_gradient_of_the_learned_scale() -> None:
    """∂loss/∂σ = ∂loss/∂w · f(ε_out) f(ε_in)ᵀ, through a layer and its loss; and by gradcheck."""
    x, y, w, noisy = normal(8, 4, seed=1), normal(8, 3, seed=2), normal(3, 4, seed=3).requires_grad_(), NoisyLinear(0.5)
    draw = noisy.draw(w, generator())
    sigma = noisy.initial_values(w)["sigma"].requires_grad_()

    def loss(w: Tensor, sigma: Tensor) -> Tensor:
        return F.mse_loss(F.linear(x, noisy.with_values(sigma=sigma).perturb(w, draw)).tanh(), y)

    loss(w, sigma).backward()
    f_out, f_in = (e.sign() * e.abs().sqrt() for e in draw)
    torch.testing.assert_close(sigma.grad, w.grad * torch.outer(f_out, f_in), rtol=1e-12, atol=1e-15)
    assert torch.autograd.gradcheck(loss, (w, sigma))


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 2), (6,)])
def test_neutral_is_bit_equal_and_draws_differ(shape: tuple[int, ...]) -> None:
    w, off, g = normal(*shape).float(), NoisyLinear(0.0), generator()
    first, second = off.draw(w, g), off.draw(w, g)
    assert torch.equal(off.perturb(w, first), w)
    assert off.perturb(w, first).dtype == torch.float32
    assert [tuple(e.shape) for e in first] == ([shape[:1], shape[1:]] if len(shape) > 1 else [shape])
    assert not torch.equal(first[0], second[0])


def test_vmap_over_population_members() -> None:
    w, sigma = normal(3, 4, 5, seed=1), normal(3, 4, 5, seed=2).abs()
    draws = [NoisyLinear().draw(w[i], generator(i)) for i in range(3)]

    def member(sigma: Tensor, w: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        return NoisyLinear().with_values(sigma=sigma).perturb(w, (rows, columns))

    stacked = torch.func.vmap(member)(sigma, w, *(torch.stack(side) for side in zip(*draws, strict=True)))
    for i in range(3):
        torch.testing.assert_close(stacked[i], NoisyLinear().with_values(sigma=sigma[i]).perturb(w[i], draws[i]))


def test_scales_are_learned_and_not_part_of_the_network(
    three_class_split: Split, make_net: Callable[..., nn.Sequential]
) -> None:
    model, scales = make_net(), []
    attachment = attach_layers(model, Recipe.of(NoisyLinear(0.5)))
    assert len(attachment.learned) == 6  # a weight and a bias per layer
    attachment.context.generator = generator()
    optimizer = torch.optim.SGD(attachment.learned.values(), lr=1.0)
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(model.train()(three_class_split.train.x), three_class_split.train.y).backward()
        optimizer.step()
        scales.append(next(iter(attachment.learned.values())).detach().clone())
    assert scales[0].unique().numel() > 1  # one scale per weight, each with its own gradient
    assert not torch.equal(scales[0], scales[1])
    assert attachment.detach().state_dict().keys() == make_net().state_dict().keys()
