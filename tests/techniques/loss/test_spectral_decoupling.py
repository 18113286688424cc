from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.autograd import gradcheck

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.stages import ForwardPass
from goodfit.techniques import SpectralDecoupling
from goodfit.train.config import Training
from goodfit.train.fit import fit

MakeForward = Callable[..., ForwardPass]


def test_value_and_gradient_by_hand(make_forward: MakeForward) -> None:
    z = torch.tensor([[3.0, -1.0, 0.0], [0.0, 2.0, 1.0]], dtype=torch.float64, requires_grad=True)
    term = SpectralDecoupling(0.2).term(make_forward(z), ())
    assert term.item() == pytest.approx(0.1 * (10 + 5) / 2)
    torch.testing.assert_close(torch.autograd.grad(term, z)[0], 0.2 * z / 2)
    assert gradcheck(lambda z: SpectralDecoupling(0.2).term(make_forward(z), ()), z)


def test_single_logit_with_or_without_class_dimension(make_forward: MakeForward) -> None:
    for z in (torch.tensor([[2.0], [4.0]]), torch.tensor([2.0, 4.0])):
        assert float(SpectralDecoupling(0.1).term(make_forward(z), ())) == pytest.approx(0.05 * 10)


def test_optimum_of_a_single_logit_is_that_of_the_paper(make_forward: MakeForward) -> None:
    """Of log(1 + exp(−z)) + λ/2 z²: λ z = 1 / (1 + exp(z))."""
    z = torch.zeros(1, 1, dtype=torch.float64, requires_grad=True)
    for _ in range(200):
        cost = nn.functional.softplus(-z).mean() + SpectralDecoupling(0.5).term(make_forward(z), ())
        (grad,) = torch.autograd.grad(cost, z)
        z = (z - grad).detach().requires_grad_()
    torch.testing.assert_close(0.5 * z, 1 / (1 + z.exp()))


def test_logits_stay_small(
    three_class_split: Split, regression_split: Split, make_net: Callable[..., nn.Sequential]
) -> None:
    settings = Training(epochs=10, batch_size=16, learning_rate=0.05)
    plain, run = (fit(make_net(), three_class_split, recipe, settings) for recipe in ("", SpectralDecoupling(0.1)))
    size = [float(torch.as_tensor(r.outputs(three_class_split.train.x)).square().sum(1).mean()) for r in (plain, run)]
    assert size[1] < 0.5 * size[0]
    with pytest.raises(InputError, match="SpectralDecoupling: it acts on class labels"):
        fit(make_net(1), regression_split, SpectralDecoupling())
