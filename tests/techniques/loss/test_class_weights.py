from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight
from torch import Tensor, nn
from torch.autograd import gradcheck
from torch.func import vmap
from torch.nn import functional as F

from goodfit.data import load
from goodfit.errors import InputError
from goodfit.stages import ForwardPass
from goodfit.techniques import ClassWeights
from goodfit.train.config import Training
from goodfit.train.fit import fit

MakeForward = Callable[..., ForwardPass]
Y = torch.tensor([0] * 8 + [1] * 3 + [2] * 1)
SHARES = torch.tensor([8, 3, 1]).double() / 12


def logits() -> Tensor:
    return torch.randn(12, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_equals_scikit_learn_balanced_weights_in_torch_loss(make_forward: MakeForward) -> None:
    z = logits()
    rows = F.cross_entropy(z, Y, reduction="none")
    weight = torch.from_numpy(compute_class_weight("balanced", classes=np.arange(3), y=Y.numpy()))
    expected = F.cross_entropy(z, Y, weight=weight, reduction="none").mean()
    term = ClassWeights(1.0).term(make_forward(z, y=Y, row_losses=rows, frequencies=SHARES), ())
    torch.testing.assert_close(rows.mean() + term, expected)


def test_half_strength_by_hand(make_forward: MakeForward) -> None:
    """Class frequencies 4/5 and 1/5: weights 5/8 and 5/2, their roots in the ratio 1 : 2; with mean 1: 5/6 and 5/3."""
    rows, y = torch.tensor([6.0, 3.0, 0.0]), torch.tensor([0, 1, 1])
    forward = make_forward(torch.zeros(3, 2), y=y, row_losses=rows, frequencies=torch.tensor([0.8, 0.2]))
    assert float(rows.mean() + ClassWeights(0.5).term(forward, ())) == pytest.approx((5 + 5 + 0) / 3)


@pytest.mark.parametrize("strength", [0.25, 0.5, 1.0])
def test_mean_weight_over_the_training_rows_is_one(strength: float, make_forward: MakeForward) -> None:
    forward = make_forward(logits(), y=Y, row_losses=torch.ones(12, dtype=torch.float64), frequencies=SHARES)
    assert float(ClassWeights(strength).term(forward, ())) == pytest.approx(0, abs=1e-15)


def test_soft_targets_use_the_mean_weight_of_their_classes(make_forward: MakeForward) -> None:
    rows, y = torch.tensor([2.0, 2.0]), torch.tensor([[0.25, 0.75], [1.0, 0.0]])
    forward = make_forward(torch.zeros(2, 2), y=y, row_losses=rows, frequencies=torch.tensor([0.8, 0.2]))
    w = 0.25 * 0.625 + 0.75 * 2.5
    assert float(rows.mean() + ClassWeights(1.0).term(forward, ())) == pytest.approx(w + 0.625)
    hard = make_forward(logits(), y=Y, row_losses=logits()[:, 0], frequencies=SHARES)
    one_hot = make_forward(logits(), y=F.one_hot(Y, 3).float(), row_losses=logits()[:, 0], frequencies=SHARES)
    torch.testing.assert_close(ClassWeights(0.7).term(hard, ()), ClassWeights(0.7).term(one_hot, ()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_neutral_term_is_exactly_zero(dtype: torch.dtype, make_forward: MakeForward) -> None:
    g = torch.Generator().manual_seed(0)
    for classes in range(2, 40):
        counts = torch.randint(1, 1000, (classes,), generator=g)
        shares = (counts / counts.sum()).to(dtype)
        rows = torch.rand(10, generator=g, dtype=dtype)
        soft = torch.rand(10, classes, generator=g, dtype=dtype).softmax(1)
        for y in (torch.randint(classes, (10,), generator=g), soft):
            forward = make_forward(torch.zeros(10, classes), y=y, row_losses=rows, frequencies=shares)
            assert float(ClassWeights(0.0).term(forward, ())) == 0


def test_class_without_training_rows_and_vmap_over_strengths(make_forward: MakeForward) -> None:
    shares, rows = torch.tensor([0.8, 0.0, 0.2]), torch.tensor([1.0, 2.0])
    soft = torch.tensor([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    forward = make_forward(torch.zeros(2, 3), y=soft, row_losses=rows, frequencies=shares)
    terms = vmap(lambda s: ClassWeights().with_values(strength=s).term(forward, ()))(torch.tensor([0.0, 1.0]))
    # Balanced over the two classes with rows: 5/8 and 5/2; the absent class has the weight 1.
    assert terms.tolist() == [0.0, pytest.approx(((0.5 * 0.625 + 0.5) * 1 + 2.5 * 2 - 3) / 2)]


def test_gradient(make_forward: MakeForward) -> None:
    def term(z: Tensor) -> Tensor:
        forward = make_forward(z, y=Y, row_losses=F.cross_entropy(z, Y, reduction="none"), frequencies=SHARES)
        return ClassWeights(1.0).term(forward, ())

    assert gradcheck(term, logits().requires_grad_())


def test_loss_of_the_whole_batch_is_an_error(make_forward: MakeForward) -> None:
    with pytest.raises(InputError, match="ClassWeights: the loss function must return one loss per sample"):
        ClassWeights().term(make_forward(logits(), y=Y, frequencies=SHARES), ())
    with pytest.raises(InputError, match="ClassWeights: the class frequencies must be known"):
        ClassWeights().term(make_forward(logits(), y=Y, row_losses=torch.zeros(12)), ())


def test_recall_of_the_rare_class_increases(make_net: Callable[..., nn.Sequential]) -> None:
    rng = np.random.default_rng(0)
    y = (np.arange(300) % 10 == 0).astype(int)
    x = rng.normal(size=(300, 6)) + y[:, None] * 0.7
    split = load((x, y)).split(sizes=(0.6, 0.1, 0.15, 0.15))
    settings = Training(epochs=8, batch_size=32, learning_rate=0.02)
    recall = {}
    for strength in (0.0, 1.0):
        run = fit(make_net(2), split, ClassWeights(strength), settings)
        predicted = torch.as_tensor(run.outputs(split.train.x)).argmax(1)
        recall[strength] = float((predicted[split.train.y == 1] == 1).double().mean())
    assert recall[1.0] > recall[0.0] + 0.3
