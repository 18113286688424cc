from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from goodfit.errors import InputError
from goodfit.techniques import UnitNorm


def apply(w: Tensor, technique: UnitNorm) -> Tensor:
    return w * technique.scale(torch.linalg.vector_norm(w, dim=technique.axes(w.ndim), keepdim=True))


def draw(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def test_values_by_hand() -> None:
    w = torch.tensor([[3.0, 4.0], [0.6, 0.8], [0.0, 0.0]], dtype=torch.float64)
    expected = torch.tensor([[0.6, 0.8], [0.6, 0.8], [0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(apply(w, UnitNorm()), expected, rtol=1e-15, atol=0)
    torch.testing.assert_close(apply(w.T, UnitNorm(axis=0)), expected.T, rtol=1e-15, atol=0)


def test_partial_rate() -> None:
    w = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    torch.testing.assert_close(apply(w, UnitNorm(0.25)), w * (0.75 + 0.25 / 5), rtol=1e-15, atol=0)


def test_axes() -> None:
    assert [UnitNorm().axes(n) for n in (2, 3, 5)] == [(1,), (1, 2), (1, 2, 3, 4)]
    assert [UnitNorm(axis=0).axes(4), UnitNorm(axis=2).axes(4)] == [(0,), (2,)]
    with pytest.raises(InputError, match=r"UnitNorm: axis must be at most 1 for weights of 2 dimensions, got axis=4;"):
        UnitNorm(axis=4).axes(2)


@pytest.mark.parametrize(("shape", "order", "axis"), [((6, 4), (1, 0), 0), ((6, 4, 3, 2), (2, 3, 1, 0), [0, 1, 2])])
def test_equals_keras(shape: tuple[int, ...], order: tuple[int, ...], axis: int | list[int]) -> None:
    keras = pytest.importorskip("keras")
    w = draw(*shape)
    w[1] = 0.0
    theirs = keras.constraints.UnitNorm(axis=axis)(w.permute(order))
    torch.testing.assert_close(
        apply(w, UnitNorm()).permute(order), theirs, rtol=1e-6, atol=0
    )  # Keras adds 1e-7 to norms


def test_norms_too_small_for_a_reciprocal_are_unchanged() -> None:
    w = torch.tensor([[1e-40, 0.0], [3.0, 4.0]])
    moved = apply(w, UnitNorm())
    assert bool(moved.isfinite().all())
    torch.testing.assert_close(moved[1], torch.tensor([0.6, 0.8]))


def test_training_equals_a_manual_loop(
    train_steps: Callable[..., dict[str, Tensor]],
    manual_steps: Callable[..., dict[str, Tensor]],
    assert_weights_equal: Callable[..., None],
) -> None:
    def make(kernels: list[Tensor], others: list[Tensor]) -> torch.optim.Optimizer:
        return torch.optim.Adam(kernels + others, lr=0.05)

    def divide(kernels: list[Tensor], before: list[Tensor]) -> None:
        for w in kernels:
            w /= w.norm(dim=1, keepdim=True)

    run = train_steps(UnitNorm())
    assert_weights_equal(run, manual_steps(make, after=divide))
    ones = torch.ones(8, dtype=torch.float64)
    torch.testing.assert_close(run["0.weight"].norm(dim=1), ones, rtol=1e-14, atol=0)
