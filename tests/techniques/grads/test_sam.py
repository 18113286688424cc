from __future__ import annotations

from collections.abc import Callable, Sequence
from math import sqrt

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.stages import Clock
from goodfit.techniques import SAM
from goodfit.train.config import Training
from goodfit.train.fit import fit

FIRST = Clock(1, 10, 100)
CURVATURE = [torch.tensor([1.0, 2.0], dtype=torch.float64), torch.tensor([[4.0]], dtype=torch.float64)]
WEIGHTS = [torch.tensor([3.0, -1.0], dtype=torch.float64), torch.tensor([[0.5]], dtype=torch.float64)]


class Quadratic:
    """½ Σ a w², with gradient a w; records the weights at which it is evaluated."""

    def __init__(self) -> None:
        self.evaluated_at: list[Sequence[Tensor]] = []

    def __call__(self, weights: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        self.evaluated_at.append(weights)
        pairs = list(zip(CURVATURE, weights, strict=True))
        return sum((a * w * w).sum() / 2 for a, w in pairs), [(a * w).detach() for a, w in pairs]


def test_closed_form_on_a_quadratic() -> None:
    """w = (3, −1, ½), a = (1, 2, 4): g = (3, −2, 2), ‖g‖ = √17; the gradient at w + ρ g/‖g‖ is a (w + ρ g/‖g‖)."""
    loss, (first, second) = SAM(rho=0.2).wrap(Quadratic(), (), FIRST)(WEIGHTS)
    r = 0.2 / sqrt(17)
    assert float(loss) == 6.0  # ½ (9 + 2 + 1), the loss at w
    assert first.tolist() == pytest.approx([3 + 3 * r, -2 - 4 * r], rel=1e-13)
    assert second.tolist() == [[pytest.approx(2 + 8 * r, rel=1e-13)]]


def test_adaptive_closed_form_on_a_quadratic() -> None:
    """ε = ρ w² g / ‖w g‖ with w g = (9, 2, 1), ‖w g‖ = √86 and w² g = (27, −2, ½)."""
    loss, (first, second) = SAM(rho=0.2, adaptive=True).wrap(Quadratic(), (), FIRST)(WEIGHTS)
    r = 0.2 / sqrt(86)
    assert float(loss) == 6.0
    assert first.tolist() == pytest.approx([3 + 27 * r, -2 - 4 * r], rel=1e-13)
    assert second.tolist() == [[pytest.approx(2 + 2 * r, rel=1e-13)]]


@pytest.mark.parametrize("adaptive", [False, True])
def test_moves_by_rho_in_the_norm_and_keeps_the_weights(adaptive: bool) -> None:
    quadratic, before = Quadratic(), [w.clone() for w in WEIGHTS]
    SAM(rho=0.3, adaptive=adaptive).wrap(quadratic, (), FIRST)(WEIGHTS)
    original, moved_weights = quadratic.evaluated_at
    assert original is WEIGHTS
    assert all(torch.equal(w, b) for w, b in zip(WEIGHTS, before, strict=True))
    moved = torch.cat(
        [((b - a) / (a if adaptive else 1)).flatten() for a, b in zip(original, moved_weights, strict=True)]
    )
    assert float(moved.norm()) == pytest.approx(0.3, rel=1e-12)


@pytest.mark.parametrize("adaptive", [False, True])
def test_rho_zero_is_bit_equal_and_zero_gradients_work(adaptive: bool) -> None:
    quadratic = Quadratic()
    _, grads = SAM(rho=0.0, adaptive=adaptive).wrap(quadratic, (), FIRST)(WEIGHTS)
    assert all(torch.equal(a, b) and a is not b for a, b in zip(*quadratic.evaluated_at, strict=True))
    assert all(torch.equal(a, b) for a, b in zip(grads, Quadratic()(WEIGHTS)[1], strict=True))
    for zero in (torch.zeros(2), torch.zeros(2, dtype=torch.float64)):
        flat = SAM(rho=0.5, adaptive=adaptive).wrap(lambda w: (w[0].sum(), [torch.zeros_like(w[0])]), (), FIRST)
        assert flat([zero])[1][0].tolist() == [0.0, 0.0]


def test_interval_counts_steps() -> None:
    assert [step for step in range(1, 8) if SAM(interval=3).acts(Clock(step, 10, 100))] == [3, 6]
    assert all(SAM().acts(Clock(step, 10, 100)) for step in range(1, 8))


def test_perturbed_weights_need_no_gradient() -> None:
    weights = [nn.Parameter(w.clone()) for w in WEIGHTS]
    quadratic = Quadratic()
    SAM(0.1).wrap(quadratic, (), FIRST)(weights)
    assert not any(w.requires_grad for w in quadratic.evaluated_at[1])
    assert all(w.grad is None for w in weights)


def test_vmap_over_rho() -> None:
    def one(rho: Tensor, w: Tensor) -> Tensor:
        sam = SAM().with_values(rho=rho)
        return sam.wrap(lambda ws: ((ws[0] ** 2).sum() / 2, [ws[0].clone()]), (), FIRST)([w])[1][0]

    w = torch.tensor([3.0, 4.0])
    after = torch.func.vmap(one)(torch.tensor([0.0, 0.5, 5.0]), torch.stack([w, w, 2 * w]))
    torch.testing.assert_close(after, torch.tensor([[3.0, 4.0], [3.3, 4.4], [9.0, 12.0]]))


# ---- in a training run ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("adaptive", "interval"), [(False, 1), (True, 1), (False, 2)])
def test_steps_equal_a_manual_loop(
    adaptive: bool,
    interval: int,
    three_class_split: Split,
    to_double: Callable[[Split], Split],
    make_net: Callable[..., nn.Sequential],
    train_steps: Callable[..., dict[str, Tensor]],
    assert_weights_equal: Callable[..., None],
) -> None:
    train, model = to_double(three_class_split).train, make_net().double()
    weights = list(model.parameters())
    optimizer = torch.optim.SGD(weights, lr=0.05, momentum=0.9)

    def gradients() -> tuple[Tensor, ...]:
        return torch.autograd.grad(F.cross_entropy(model(train.x), train.y), weights)

    for step in range(1, 7):
        grads = gradients()
        if step % interval == 0:
            scaled = [w.detach().abs() * g if adaptive else g for w, g in zip(weights, grads, strict=True)]
            norm = torch.cat([s.flatten() for s in scaled]).norm()
            before = [w.detach().clone() for w in weights]
            with torch.no_grad():
                for w, g in zip(weights, grads, strict=True):
                    w += 0.4 / norm * (w**2 if adaptive else 1) * g
            grads = gradients()
            with torch.no_grad():
                for w, b in zip(weights, before, strict=True):
                    w.copy_(b)
        for w, g in zip(weights, grads, strict=True):
            w.grad = g
        optimizer.step()
    assert_weights_equal(train_steps(SAM(0.4, adaptive, interval), optimizer="sgd"), model.state_dict())


def test_batch_statistics_are_those_of_the_first_pass(three_class_split: Split) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    settings = Training(epochs=1, batch_size=96, optimizer="sgd")  # one step
    plain, run = (fit(model, three_class_split, recipe, settings).last for recipe in ("", SAM(2.0)))
    assert torch.equal(run["1.running_mean"], plain["1.running_mean"])
    assert torch.equal(run["1.running_var"], plain["1.running_var"])
    assert int(run["1.num_batches_tracked"]) == 1
    assert not torch.equal(run["0.weight"], plain["0.weight"])
