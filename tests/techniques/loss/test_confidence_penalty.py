from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.autograd import gradcheck

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.stages import ForwardPass
from goodfit.techniques import ConfidencePenalty
from goodfit.train.config import Training
from goodfit.train.fit import fit

MakeForward = Callable[..., ForwardPass]


def logits(rows: int = 6, classes: int = 4) -> Tensor:
    return torch.randn(rows, classes, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_equals_scipy_entropy(make_forward: MakeForward) -> None:
    z = logits() * 3
    expected = stats.entropy(z.softmax(1).numpy(), axis=1).mean()
    assert float(ConfidencePenalty(0.3).term(make_forward(z), ())) == pytest.approx(-0.3 * expected, rel=1e-12)


def test_uniform_and_certain_predictions(make_forward: MakeForward) -> None:
    assert float(ConfidencePenalty(2.0).term(make_forward(torch.zeros(3, 5)), ())) == pytest.approx(-2 * np.log(5))
    certain = torch.tensor([[1000.0, 0.0, -1000.0]], requires_grad=True)
    term = ConfidencePenalty(2.0).term(make_forward(certain), ())
    term.backward()
    assert term.item() == 0
    assert certain.grad is not None
    assert certain.grad.tolist() == [[0.0, 0.0, 0.0]]


def test_gradient_by_hand(make_forward: MakeForward) -> None:
    """∂/∂z_k of Σ p log p is p_k (log p_k + H)."""
    z = logits().requires_grad_()
    assert gradcheck(lambda z: ConfidencePenalty(0.5).term(make_forward(z), ()), z)
    (grad,) = torch.autograd.grad(ConfidencePenalty(0.5).term(make_forward(z), ()), z)
    p = z.detach().softmax(1)
    entropy = -(p * p.log()).sum(1, keepdim=True)
    torch.testing.assert_close(grad, 0.5 / 6 * p * (p.log() + entropy))


def test_single_logit_equals_two_logits(make_forward: MakeForward) -> None:
    z = logits(5, 1)
    both = torch.cat([torch.zeros_like(z), z], 1)
    expected = ConfidencePenalty(0.5).term(make_forward(both), ())
    torch.testing.assert_close(ConfidencePenalty(0.5).term(make_forward(z), ()), expected)
    torch.testing.assert_close(ConfidencePenalty(0.5).term(make_forward(z.flatten()), ()), expected)


def test_predictions_keep_more_entropy(
    three_class_split: Split, regression_split: Split, make_net: Callable[..., nn.Sequential]
) -> None:
    settings = Training(epochs=10, batch_size=16, learning_rate=0.05)

    def entropy(recipe: ConfidencePenalty | str) -> float:
        outputs = torch.as_tensor(
            fit(make_net(), three_class_split, recipe, settings).outputs(three_class_split.train.x)
        )
        return float(torch.distributions.Categorical(logits=outputs).entropy().mean())

    assert entropy(ConfidencePenalty(0.5)) > 1.5 * entropy("")
    with pytest.raises(InputError, match="ConfidencePenalty: it acts on class labels"):
        fit(make_net(1), regression_split, ConfidencePenalty())
