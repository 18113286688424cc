from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.func import vmap
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.techniques import FGSM
from goodfit.train.config import Training
from goodfit.train.fit import fit


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_logistic_regression_in_closed_form() -> None:
    """The loss at the moved inputs is softplus(ε Σ scale |w| − t (w·x + b)): the paper's section 5."""
    g = generator()
    x = torch.randn(20, 4, generator=g, dtype=torch.float64, requires_grad=True)
    w, b = torch.randn(4, generator=g, dtype=torch.float64), 0.3
    t = torch.tensor([1.0, -1.0], dtype=torch.float64).repeat(10)
    scale = torch.tensor([1.0, 0.5, 0.0, 2.0], dtype=torch.float64)
    loss = F.softplus(-t * (x @ w + b)).mean()
    (input_gradient,) = torch.autograd.grad(loss, x)
    attacked = FGSM(0.25).attack(x, input_gradient, scale, (torch.ones(20, dtype=torch.bool),))
    losses = F.softplus(-t * (attacked @ w + b))
    torch.testing.assert_close(losses, F.softplus(0.25 * (scale * w.abs()).sum() - t * (x @ w + b)))
    assert torch.equal(attacked[:, 2], x[:, 2])  # the standard deviation of a constant column is 0


def test_only_sampled_rows_move_and_images_have_one_scale() -> None:
    x = torch.zeros(3, 2, 2, 2)
    input_gradient = torch.tensor([-1e-9, 0.0, 5.0]).reshape(3, 1, 1, 1).expand_as(x)
    moved = FGSM(0.5).attack(x, input_gradient, torch.tensor(0.2), (torch.tensor([True, True, False]),))
    assert moved[0].unique().tolist() == [pytest.approx(-0.1)]
    assert torch.equal(moved[1:], x[1:])
    assert (
        FGSM(0.5).attack(x.double(), input_gradient.double(), torch.tensor(0.2), (torch.ones(3),)).dtype
        == torch.float64
    )


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_fraction_of_moved_samples(share: float) -> None:
    x = torch.zeros(10_000, 1)
    chosen = FGSM(share=share).draw(x, x, generator())[0]
    assert float(chosen.double().mean()) == pytest.approx(share, abs=4 * (share * (1 - share) / 10_000) ** 0.5)


def test_neutral_is_the_identity_and_vmap_over_epsilon() -> None:
    x, input_gradient = torch.randn(5, 3, generator=generator()), torch.randn(5, 3, generator=generator(1))
    draw = (torch.tensor([True, False, True, True, False]),)

    def attacked(epsilon: torch.Tensor) -> torch.Tensor:
        return FGSM().with_values(epsilon=epsilon).attack(x, input_gradient, torch.tensor(2.0), draw)

    off, on = vmap(attacked)(torch.tensor([0.0, 0.1]))
    assert torch.equal(off, x)
    torch.testing.assert_close(on, x + 0.2 * input_gradient.sign() * draw[0][:, None])


def test_training_loss_rises_with_epsilon(three_class_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    settings = Training(epochs=1, batch_size=96, optimizer="sgd", learning_rate=1e-6)
    losses = [
        fit(make_net(), three_class_split, recipe, settings).history["batch_loss"][0]
        for recipe in ("", FGSM(0.1, share=1.0), FGSM(0.5, share=1.0))
    ]
    assert losses[0] < losses[1] < losses[2]
