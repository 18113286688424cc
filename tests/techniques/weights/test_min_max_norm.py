from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.techniques import MaxNorm, MinMaxNorm


def apply(w: Tensor, technique: MinMaxNorm | MaxNorm) -> Tensor:
    return w * technique.scale(torch.linalg.vector_norm(w, dim=technique.axes(w.ndim), keepdim=True))


def draw(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).to(dtype)


def test_values_by_hand() -> None:
    w = torch.tensor([[3.0, 4.0], [0.3, 0.4], [0.6, 0.8], [0.0, 0.0]], dtype=torch.float64)  # norms 5, ½, 1, 0
    strict = apply(w, MinMaxNorm(0.8, 2.0))
    expected = torch.tensor([[1.2, 1.6], [0.48, 0.64], [0.6, 0.8], [0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(strict, expected, rtol=1e-14, atol=0)
    halfway = apply(w, MinMaxNorm(0.8, 2.0, rate=0.5))  # norms 3.5, 0.65, 1, 0
    expected = torch.tensor([[2.1, 2.8], [0.39, 0.52], [0.6, 0.8], [0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(halfway, expected, rtol=1e-14, atol=0)
    torch.testing.assert_close(apply(w.T, MinMaxNorm(0.8, 2.0, 0.5, axis=0)), expected.T, rtol=1e-14, atol=0)


@pytest.mark.parametrize("rate", [0.1, 0.3, 1.0])
@pytest.mark.parametrize(("shape", "order", "axis"), [((60, 4), (1, 0), 0), ((60, 2, 2, 1), (2, 3, 1, 0), [0, 1, 2])])
def test_equals_keras(rate: float, shape: tuple[int, ...], order: tuple[int, ...], axis: int | list[int]) -> None:
    keras = pytest.importorskip("keras")
    w = draw(*shape)
    w[1] = 0.0
    theirs = keras.constraints.MinMaxNorm(min_value=1.5, max_value=2.0, rate=rate, axis=axis)(w.permute(order))
    ours = apply(w, MinMaxNorm(1.5, 2.0, rate))
    torch.testing.assert_close(ours.permute(order), theirs, rtol=2e-6, atol=0)  # Keras adds 1e-7 to norms
    norms = w.flatten(1).norm(dim=1)
    assert bool((norms[2:] < 1.5).any() and (norms > 2.0).any() and ((norms > 1.5) & (norms < 2.0)).any())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_units_inside_the_bounds_stay_bit_equal(dtype: torch.dtype) -> None:
    w = draw(500, 4, dtype=dtype)
    norm = w.norm(dim=1)
    inside = (norm > 1.5 * (1 + 1e-6)) & (norm < 2.0 * (1 - 1e-6))
    outside = (norm < 1.5 * (1 - 1e-6)) | (norm > 2.0 * (1 + 1e-6))
    assert int(inside.sum()) > 50
    for percent in range(1, 101):
        moved = apply(w, MinMaxNorm(1.5, 2.0, rate=percent / 100))
        assert torch.equal(moved[inside], w[inside])
        assert bool((moved[outside] != w[outside]).any(1).all())


def test_without_lower_bound_equals_max_norm() -> None:
    w = draw(20, 4)
    assert torch.equal(apply(w, MinMaxNorm(max_value=1.5)), apply(w, MaxNorm(1.5)))


def test_norms_too_small_for_a_reciprocal_are_unchanged() -> None:
    w = torch.tensor([[1e-40, 0.0], [0.3, 0.4]])
    moved = apply(w, MinMaxNorm(1.0, 2.0))
    assert bool(moved.isfinite().all())
    torch.testing.assert_close(moved[1], torch.tensor([0.6, 0.8]))


def test_min_value_above_max_value_is_an_error() -> None:
    with pytest.raises(InputError) as raised:
        MinMaxNorm(min_value=3, max_value=2)
    message = "MinMaxNorm: min_value must be at most max_value, got min_value=3.0, max_value=2.0; change one."
    assert str(raised.value) == message
    assert MinMaxNorm(2.0, 2.0).min_value == 2.0
    assert Recipe.of("min_max_norm=2.5").techniques == (MinMaxNorm(0.0, 2.5),)


def test_vmap_over_population_members() -> None:
    w, bounds = draw(3, 8, 4), torch.tensor([0.5, 1.5, torch.inf], dtype=torch.float64)
    norms = w.norm(dim=2, keepdim=True)
    factors = torch.func.vmap(lambda norm, bound: MinMaxNorm().with_values(max_value=bound).scale(norm))(norms, bounds)
    for i, bound in enumerate(bounds.tolist()):
        torch.testing.assert_close(factors[i], MinMaxNorm(0.0, bound).scale(norms[i]), rtol=1e-15, atol=0)


@pytest.mark.parametrize("rate", [1.0, 0.25])
def test_training_equals_a_manual_loop(
    rate: float,
    train_steps: Callable[..., dict[str, Tensor]],
    manual_steps: Callable[..., dict[str, Tensor]],
    assert_weights_equal: Callable[..., None],
) -> None:
    moved = {"up": 0, "down": 0, "unchanged": 0}

    def make(kernels: list[Tensor], others: list[Tensor]) -> torch.optim.Optimizer:
        return torch.optim.Adam(kernels + others, lr=0.05)

    def bound(kernels: list[Tensor], before: list[Tensor]) -> None:
        for w in kernels:
            norm = w.norm(dim=1, keepdim=True)
            moved["up"] += int((norm < 0.6).sum())
            moved["down"] += int((norm > 0.7).sum())
            moved["unchanged"] += int(((norm >= 0.6) & (norm <= 0.7)).sum())
            w *= (rate * norm.clamp(0.6, 0.7) + (1 - rate) * norm) / norm

    assert_weights_equal(train_steps(MinMaxNorm(0.6, 0.7, rate)), manual_steps(make, after=bound))
    assert min(moved.values()) > 5
