from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.errors import InputError
from goodfit.techniques import SpectralNorm

SHAPES = [(3, 2), (2, 7), (1, 5), (5, 1), (30, 30), (60, 8), (8, 5, 3, 3), (6, 4, 3)]


def draw(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).to(dtype)


def largest(w: Tensor) -> float:
    return float(np.linalg.svd(w.numpy().reshape(len(w), -1), compute_uv=False)[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", SHAPES)
def test_bound_holds_according_to_numpy_svd(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    w = draw(*shape, dtype=dtype)
    sigma, technique = largest(w), SpectralNorm(0.5)
    moved, (v,) = technique.project(w.clone(), technique.start(w))
    exact = 1e-9 if dtype == torch.float64 else 1e-6
    assert largest(moved) == pytest.approx(0.5, rel=exact)
    torch.testing.assert_close(moved, w * (0.5 / sigma), rtol=exact, atol=exact)
    assert moved.dtype == v.dtype == dtype
    assert float((w.flatten(1) @ v).norm()) == pytest.approx(sigma, rel=exact)  # v is the vector that is stretched most
    assert float(v.norm()) == pytest.approx(1, rel=exact)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_inside_the_bound_is_bit_equal(dtype: torch.dtype) -> None:
    w = draw(9, 5, dtype=dtype)
    for bound in (largest(w) * 1.0001, float("inf")):
        technique = SpectralNorm(bound)
        assert torch.equal(technique.project(w.clone(), technique.start(w))[0], w)


def test_values_by_hand() -> None:
    # The longest row has norm 3 and is orthogonal to the top singular vector, which nine rows of norm 2 stretch by 6.
    w = torch.zeros(10, 4, dtype=torch.float64)
    w[0, 0], w[1:, 2] = 3.0, 2.0
    technique = SpectralNorm(1.5)
    moved, (v,) = technique.project(w.clone(), technique.start(w))
    torch.testing.assert_close(moved, w / 4, rtol=1e-12, atol=0)
    torch.testing.assert_close(v.abs(), torch.tensor([0.0, 0.0, 1.0, 0.0], dtype=torch.float64))


@pytest.mark.parametrize(
    "w",
    [torch.eye(6), torch.ones(4, 7), torch.tensor([[1.0, -1.0]] * 3), torch.ones(3, 1), torch.diag(torch.arange(9.0))],
)
def test_structured_matrices(w: Tensor) -> None:
    technique = SpectralNorm(0.25)
    assert largest(technique.project(w.clone(), technique.start(w))[0]) == pytest.approx(0.25, rel=1e-6)


def test_zero_weights_can_grow_again() -> None:
    technique, zeros = SpectralNorm(0.5), torch.zeros(4, 3)
    moved, state = technique.project(zeros.clone(), technique.start(zeros))
    assert torch.equal(moved, zeros)
    for _ in range(4):
        moved, state = technique.project(draw(4, 3, dtype=torch.float32), state)
    assert largest(moved) == pytest.approx(0.5, rel=1e-5)


def test_weights_that_are_not_finite_stay_so() -> None:
    w, technique = draw(4, 3), SpectralNorm(0.5)
    state = technique.start(w)
    w[1, 1] = float("nan")
    moved, (v,) = technique.project(w.clone(), state)
    assert bool(moved[1, 1].isnan())
    assert bool(v.isfinite().all())


def test_vmap_over_population_members() -> None:
    w = draw(3, 6, 4)
    bounds = torch.tensor([0.5, 1.0, torch.inf], dtype=torch.float64)

    def project(w: Tensor, bound: Tensor) -> Tensor:
        technique = SpectralNorm().with_values(max_value=bound)
        return technique.project(w.clone(), technique.start(w))[0]

    moved = torch.func.vmap(project)(w, bounds)
    assert [largest(m) for m in moved] == pytest.approx([0.5, 1.0, largest(w[2])], rel=1e-9)
    assert torch.equal(moved[2], w[2])


@pytest.mark.parametrize(("optimizer", "rate"), [(torch.optim.Adam, 0.01), (torch.optim.SGD, 0.1)])
def test_bound_holds_after_every_step_while_the_weights_move(
    optimizer: type[torch.optim.Optimizer], rate: float, make_net: Callable[..., nn.Sequential]
) -> None:
    """The vector that is carried from step to step follows weights that change quickly."""
    model, generator = make_net(gain=3.0, hidden=32), torch.Generator().manual_seed(0)
    x = torch.randn(256, 6, generator=generator)
    y = (x[:, :3] + torch.randn(256, 3, generator=generator)).argmax(1)
    technique, kernels = SpectralNorm(2.0), [p for p in model.parameters() if p.ndim == 2]
    states, steps = [technique.start(w.detach()) for w in kernels], optimizer(model.parameters(), lr=rate)
    on_the_bound, bounded = 0, []
    for _ in range(60):
        batch = torch.randint(256, (32,), generator=generator)
        steps.zero_grad()
        F.cross_entropy(model(x[batch]), y[batch]).backward()
        steps.step()
        with torch.no_grad():
            for i, w in enumerate(kernels):
                before = w.clone()
                _, states[i] = technique.project(w, states[i])
                on_the_bound += not torch.equal(w, before)
            bounded += [largest(w) for w in kernels]
    assert on_the_bound > 60
    assert max(bounded) < 2.0 * 1.005
    assert sorted(bounded)[len(bounded) * 9 // 10] < 2.0 * 1.0001


def test_in_training(train_steps: Callable[..., dict[str, Tensor]]) -> None:
    free, run = train_steps("", gain=3.0), train_steps(SpectralNorm(1.5), gain=3.0)
    for name in ("0.weight", "2.weight", "4.weight"):
        assert largest(free[name]) > 2
        assert 1.4 < largest(run[name]) < 1.5 * 1.001


def test_biases_are_not_bounded(train_steps: Callable[..., dict[str, Tensor]]) -> None:
    with pytest.raises(InputError, match="SpectralNorm: on must choose"):
        train_steps(SpectralNorm(on="bias"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision(dtype: torch.dtype) -> None:
    w, technique = torch.tensor([[4.0, 0.0], [0.0, 0.5]], dtype=dtype), SpectralNorm(2.0)
    bounded, (v,) = technique.project(w, technique.start(w))
    assert (bounded.dtype, v.dtype) == (dtype, dtype)
    torch.testing.assert_close(bounded.float(), torch.tensor([[2.0, 0.0], [0.0, 0.25]]), atol=0.02, rtol=0)
