from __future__ import annotations

from collections.abc import Callable
from math import sqrt

import pytest
import torch
from scipy import stats
from torch import Tensor

from goodfit.stages import Clock
from goodfit.techniques import GradientNoise


def noisy(noise: GradientNoise, grads: list[Tensor], draw: tuple[Tensor, ...], step: int = 1) -> list[Tensor]:
    loss, after = noise.wrap(lambda w: (torch.tensor(1.5), list(grads)), draw, Clock(step, 10, 100))([])
    assert float(loss) == 1.5
    return after


def test_by_hand() -> None:
    """σ² = 0.9 / (1 + t)^0.5 is 0.9 at the first step (t = 0), 0.3 at t = 8 and 0.09 at t = 99."""
    grads = [torch.tensor([1.0, -2.0], dtype=torch.float64)]
    draw = (torch.tensor([0.5, -1.0], dtype=torch.float64),)
    for step, variance in ((1, 0.9), (9, 0.3), (100, 0.09)):
        after = noisy(GradientNoise(eta=0.9, gamma=0.5), grads, draw, step)[0]
        assert after.tolist() == pytest.approx([1 + 0.5 * sqrt(variance), -2 - sqrt(variance)], rel=1e-14)
    assert grads[0].tolist() == [1.0, -2.0]


def test_without_decay_variance_is_constant_and_without_eta_bits_are_equal() -> None:
    grads, draw = [torch.tensor([0.1, -0.3])], (torch.tensor([1.0, 1.0]),)
    constant = GradientNoise(eta=0.25, gamma=0.0)
    assert torch.equal(noisy(constant, grads, draw, 1)[0], noisy(constant, grads, draw, 77)[0])
    assert torch.equal(noisy(GradientNoise(eta=0.0), grads, draw)[0], grads[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_draw_is_standard_normal_one_number_per_weight(dtype: torch.dtype) -> None:
    weights = [torch.nn.Parameter(torch.zeros(100, 80, dtype=dtype)), torch.nn.Parameter(torch.zeros(7, dtype=dtype))]
    draw = GradientNoise().draw(weights, torch.Generator().manual_seed(0))
    assert [(z.shape, z.dtype, z.requires_grad) for z in draw] == [(w.shape, dtype, False) for w in weights]
    assert stats.kstest(draw[0].flatten().numpy(), "norm").pvalue > 0.01
    same_seed = GradientNoise().draw(weights, torch.Generator().manual_seed(0))
    assert all(torch.equal(a, b) for a, b in zip(draw, same_seed, strict=True))


def test_vmap_over_strengths() -> None:
    def one(eta: Tensor, gamma: Tensor, z: Tensor) -> Tensor:
        noise = GradientNoise().with_values(eta=eta, gamma=gamma)
        return noise.wrap(lambda w: (z.sum(), [torch.zeros_like(z)]), (z,), Clock(16, 10, 100))([])[1][0]

    after = torch.func.vmap(one)(torch.tensor([0.0, 1.0, 4.0]), torch.tensor([0.5, 0.5, 1.0]), torch.ones(3, 2))
    torch.testing.assert_close(after[:, 0], torch.tensor([0.0, 0.5, 0.5]))


def test_the_first_step_by_hand(
    train_steps: Callable[..., dict[str, Tensor]],
    manual_steps: Callable[..., dict[str, Tensor]],
    assert_weights_equal: Callable[..., None],
) -> None:
    """`fit` adds σ times one standard normal number per weight to the gradient of its first step."""
    plain = train_steps("", optimizer="sgd", epochs=1)
    run = train_steps(GradientNoise(eta=0.04), optimizer="sgd", epochs=1)
    z = torch.cat([(plain[n] - run[n]).flatten() for n in plain]) / (0.05 * 0.2)  # learning rate · σ
    assert stats.kstest(z.numpy(), "norm").pvalue > 0.01
