from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.autograd.functional import jacobian
from torch.func import functional_call, grad, vmap
from torch.utils.checkpoint import checkpoint

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.stages import ForwardPass
from goodfit.techniques import JacobianPenalty
from goodfit.train.config import Training
from goodfit.train.fit import fit


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def forward_of(network: Callable[[Tensor], Tensor], x: Tensor) -> ForwardPass:
    return ForwardPass(network, x, torch.zeros(len(x)), network(x))


def axis_directions(output: Tensor) -> list[Tensor]:
    """The directions √outputs · e for each unit vector e; the mean of ‖vᵀJ‖² over them is exactly ‖J‖²."""
    count = output[0].numel()
    return [torch.eye(count, dtype=output.dtype)[[c]].repeat(len(output), 1) * count**0.5 for c in range(count)]


def test_linear_network_in_closed_form() -> None:
    """J = W for every sample: ½ λ ‖vᵀW‖², with gradient λ v vᵀ W."""
    w = torch.randn(3, 5, generator=generator(), dtype=torch.float64, requires_grad=True)
    x = torch.randn(4, 5, generator=generator(1), dtype=torch.float64)
    forward = forward_of(lambda x: x @ w.T, x)
    draw = JacobianPenalty().draw(forward, generator())
    term = JacobianPenalty(0.3).term(forward, draw)
    (v,) = draw
    torch.testing.assert_close(term, 0.15 * (v @ w).square().sum(1).mean())
    (grad,) = torch.autograd.grad(term, w)
    torch.testing.assert_close(grad, 0.3 * torch.einsum("nc,nd->cd", v, v) @ w / 4)


def test_directions_are_uniform_with_length_sqrt_outputs() -> None:
    x = torch.zeros(20_000, 2, dtype=torch.float64)
    (v,) = JacobianPenalty().draw(forward_of(lambda x: x @ torch.ones(2, 3).double(), x), generator())
    torch.testing.assert_close(v.square().sum(1), torch.full((20_000,), 3.0, dtype=torch.float64))
    # On the sphere of radius √3 a coordinate is uniform in [−√3, √3]: variance 1; products of two have variance 3/5.
    assert float((v.T @ v / 20_000 - torch.eye(3)).abs().max()) < 4 * 0.9 / 20_000**0.5
    (one,) = JacobianPenalty().draw(forward_of(lambda x: x[:, 0], x), generator())
    assert one.abs().unique().tolist() == [1.0]


def test_mean_over_directions_is_the_squared_norm_of_the_jacobian() -> None:
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).double()
    x = torch.randn(5, 6, generator=generator(), dtype=torch.float64)
    full = jacobian(lambda x: model(x).sum(0), x)  # (class, batch, feature)
    forward = forward_of(model, x)
    terms = [JacobianPenalty(0.5).term(forward, (v,)) for v in axis_directions(forward.output)]
    torch.testing.assert_close(torch.stack(terms).mean(), 0.25 * full.square().sum() / 5)


def test_gradient_with_respect_to_the_weights() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    names, weights = zip(*[(n, p.detach().clone().requires_grad_()) for n, p in model.named_parameters()], strict=True)
    x = torch.randn(3, 3, generator=generator(), dtype=torch.float64)
    (v,) = JacobianPenalty().draw(forward_of(model, x), generator())

    def term(*weights: Tensor) -> Tensor:
        def network(x: Tensor) -> Tensor:
            return functional_call(model, dict(zip(names, weights, strict=True)), (x,))

        return JacobianPenalty(0.5).term(ForwardPass(network, x, torch.zeros(3), network(x)), (v,))

    assert gradcheck(term, weights)


def test_vmap_over_population_members() -> None:
    """Inside torch.func the gradient of each member is that of plain autograd."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)).double()
    stacked = {n: torch.randn(3, *p.shape, generator=generator(), dtype=p.dtype) for n, p in model.named_parameters()}
    x = torch.randn(3, 5, 3, generator=generator(1), dtype=torch.float64)
    v = torch.randn(3, 5, 2, generator=generator(2), dtype=torch.float64)
    strengths = torch.tensor([0.0, 0.1, 2.0], dtype=torch.float64)

    def cost(weights: dict[str, Tensor], x: Tensor, v: Tensor, strength: Tensor) -> Tensor:
        forward = forward_of(lambda x: functional_call(model, weights, (x,)), x)
        return forward.output.square().mean() + JacobianPenalty().with_values(strength=strength).term(forward, (v,))

    together = vmap(grad(cost))(stacked, x, v, strengths)
    for i, strength in enumerate(strengths):
        weights = {n: w[i].clone().requires_grad_() for n, w in stacked.items()}
        single = torch.autograd.grad(cost(weights, x[i], v[i], float(strength)), list(weights.values()))
        for ours, other in zip(together.values(), single, strict=True):
            torch.testing.assert_close(ours[i], other, rtol=1e-12, atol=1e-14)


class CheckpointedWithState(nn.Module):
    """A layer that torch.func does not support: a checkpoint, and state that is not a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.total = nn.Linear(6, 6), torch.zeros(())

    def forward(self, x: Tensor) -> Tensor:
        self.total += x.detach().sum()
        return checkpoint(self.layer, x, use_reentrant=False)  # type: ignore[no-any-return]


class Recurrent(nn.Module):
    """Reads the six features as a sequence of three pairs."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.GRU(2, 6, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x.reshape(len(x), 3, 2))[0][:, -1]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "layer", [CheckpointedWithState, Recurrent, lambda: nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6))]
)
def test_user_defined_networks(layer: Callable[[], nn.Module], three_class_split: Split) -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Sequential(layer(), nn.Tanh(), nn.Linear(6, 3))
    settings = Training(epochs=1, batch_size=96, optimizer="sgd")  # one step
    plain, run = (fit(model, three_class_split, recipe, settings).last for recipe in ("", JacobianPenalty(10.0)))
    assert not torch.equal(run["2.weight"], plain["2.weight"])
    for name, _ in model.named_buffers():  # running statistics are those of the first pass
        assert torch.equal(run[name], plain[name])


def test_images_and_flat_outputs(make_forward: Callable[..., ForwardPass]) -> None:
    w = torch.randn(2, 3, 3, generator=generator())
    x = torch.randn(4, 2, 3, 3, generator=generator(1))
    forward = forward_of(lambda x: (x * w).flatten(1).sum(1), x)
    term = JacobianPenalty(1.0).term(forward, JacobianPenalty().draw(forward, generator()))
    torch.testing.assert_close(term, 0.5 * w.square().sum())
    assert not x.requires_grad


def test_integer_inputs_are_an_error(make_forward: Callable[..., ForwardPass]) -> None:
    forward = make_forward(torch.zeros(2, 3), x=torch.zeros(2, 4, dtype=torch.long))
    with pytest.raises(InputError, match=r"JacobianPenalty: the inputs must be floating point, got torch.int64"):
        JacobianPenalty().term(forward, JacobianPenalty().draw(forward, generator()))


def test_derivatives_are_smaller_after_training(
    three_class_split: Split, make_net: Callable[..., nn.Sequential]
) -> None:
    settings = Training(epochs=8, batch_size=16, learning_rate=0.05)

    def norm(recipe: JacobianPenalty | str) -> float:
        model = fit(make_net(), three_class_split, recipe, settings).model
        return float(jacobian(lambda x: model(x).sum(0), three_class_split.train.x).square().sum()) / len(
            three_class_split.train
        )

    assert norm(JacobianPenalty(0.5)) < 0.3 * norm("")
