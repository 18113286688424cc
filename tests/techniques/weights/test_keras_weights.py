"""Compares weight techniques with those of Keras, whose kernels are (in, out); ours are (out, in)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from goodfit.techniques import L1, L2, ElasticNet, MaxNorm

ORDERS = {  # ours → Keras' layout, and Keras' axes of a unit's incoming weights
    "Dense": ((9, 5), (1, 0), 0),
    "Conv1D": ((9, 5, 3), (2, 1, 0), [0, 1]),
    "Conv2D": ((9, 5, 3, 2), (2, 3, 1, 0), [0, 1, 2]),
    "Conv3D": ((9, 5, 3, 2, 2), (2, 3, 4, 1, 0), [0, 1, 2, 3]),
    "Embedding": ((9, 5), (0, 1), 1),
}


@pytest.fixture(scope="module")
def keras() -> Any:
    return pytest.importorskip("keras")


def draw(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ORDERS)
def test_values_of_the_penalties(kind: str, dtype: torch.dtype, keras: Any) -> None:
    shape, order, _ = ORDERS[kind]
    w = draw(*shape, dtype=dtype)
    theirs = keras.regularizers
    pairs = [
        (L1(0.03), theirs.L1(0.03)),
        (L2(0.02), theirs.L2(0.02)),
        (ElasticNet(0.03, 0.02), theirs.L1L2(l1=0.03, l2=0.02)),
        (ElasticNet(0.0, 0.02), theirs.L1L2(l2=0.02)),
        (ElasticNet(0.03, 0.0), theirs.L1L2(l1=0.03)),
    ]
    for ours, other in pairs:
        # Keras stores the strength of L1 in single precision.
        torch.testing.assert_close(ours.value(w), other(w.permute(order)), rtol=1e-6, atol=0)
    assert float(ElasticNet(0.03, 0.02).value(w)) != pytest.approx(float(L1(0.03).value(w)), rel=1e-3)


@pytest.mark.parametrize("max_value", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("kind", ORDERS)
def test_max_norm(kind: str, max_value: float, keras: Any) -> None:
    shape, order, axis = ORDERS[kind]
    w = draw(*shape) * torch.linspace(0.1, 2, 9, dtype=torch.float64).reshape(-1, *[1] * (len(shape) - 1))
    technique = MaxNorm(max_value)
    norms = torch.linalg.vector_norm(w, dim=technique.axes(w.ndim), keepdim=True)
    theirs = keras.constraints.MaxNorm(max_value, axis=axis)(w.permute(order))
    ours = w * technique.scale(norms)
    assert bool((norms > max_value).any() and (norms < max_value).any())
    torch.testing.assert_close(ours.permute(order), theirs, rtol=1e-6, atol=0)  # Keras adds 1e-7 to norms


@pytest.mark.parametrize("axis", [0, 1])
def test_max_norm_along_an_axis(axis: int, keras: Any) -> None:
    w = draw(9, 5) * torch.linspace(0.1, 2, 5, dtype=torch.float64)
    technique = MaxNorm(1.5, axis=axis)
    norms = torch.linalg.vector_norm(w, dim=technique.axes(2), keepdim=True)
    theirs = keras.constraints.MaxNorm(1.5, axis=1 - axis)(w.T)
    torch.testing.assert_close((w * technique.scale(norms)).T, theirs, rtol=1e-6, atol=0)
    assert norms.shape == ((1, 5) if axis == 0 else (9, 1))


def test_layers_with_the_same_weights(keras: Any) -> None:
    """Compares kernel and loss of a Keras layer with ours on a torch layer with the same weights."""
    w = draw(4, 3, dtype=torch.float32)
    layer = keras.layers.Dense(4, kernel_regularizer=keras.regularizers.L1L2(l1=0.03, l2=0.02))
    layer.build((None, 3))
    layer.kernel.assign(w.T)
    assert float(sum(layer.losses).detach()) == pytest.approx(float(ElasticNet(0.03, 0.02).value(w)), rel=1e-6)
    x = draw(2, 3, dtype=torch.float32)
    torch.testing.assert_close(layer(x).detach(), torch.nn.functional.linear(x, w), rtol=1e-5, atol=1e-6)
