"""Known issues of other libraries with penalties and constraints on weights, each with its public thread."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import Lasso
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit import Recipe, Split, Training, attach, fit
from goodfit.errors import InputError
from goodfit.linter import Context
from goodfit.techniques import MaxNorm
from goodfit.train.run import snapshot

Net = Callable[..., nn.Sequential]
SHORT = Training(epochs=3, batch_size=16, learning_rate=0.02)


def steps(model: nn.Module, recipe: Any, optimizer: torch.optim.Optimizer, split: Split, n: int = 3) -> nn.Module:
    """A manual training loop; each batch is the whole training part."""
    with attach(model, recipe, optimizer) as reg:
        for _ in range(n):
            F.cross_entropy(model(split.train.x), split.train.y).backward()
            reg.step()
    return model


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.5),
        lambda p: torch.optim.Adam(p, lr=0.02),
        lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.0),
    ],
    ids=["sgd", "adam", "adamw"],
)
def test_01_l1_never_gives_zeros(make: Callable[..., torch.optim.Optimizer]) -> None:
    """https://github.com/keras-team/tf-keras/issues/16, https://github.com/apache/mxnet/issues/2509"""
    rng = np.random.default_rng(1)
    x = rng.normal(size=(250, 20)) + 0.5 * rng.normal(size=(250, 1))
    y = x[:, [2, 9, 14]] @ np.array([1.5, -2.0, 1.0]) + rng.normal(size=250)
    x, y = x - x.mean(0), y - y.mean()
    lasso = Lasso(alpha=0.2, tol=1e-10).fit(x, y)
    model, inputs, target = nn.Linear(20, 1).double(), torch.from_numpy(x), torch.from_numpy(y)[:, None]
    optimizer = make(model.parameters())
    with attach(model, "l1=0.4", optimizer) as reg:
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 500)
        for _ in range(500):
            F.mse_loss(model(inputs), target).backward()
            reg.step()
            schedule.step()
    w = model.weight.detach().numpy().ravel()
    assert np.array_equal(w == 0, lasso.coef_ == 0)
    assert (w == 0).sum() == 17


def test_02_adam_s_weight_decay_is_l2(three_class_split: Split, make_net: Net) -> None:
    """https://github.com/pytorch/pytorch/issues/38767"""
    decayed, penalized, adamw = make_net(), make_net(), make_net()
    steps(decayed, "weight_decay=0.5", torch.optim.Adam(decayed.parameters(), lr=0.05), three_class_split)
    steps(penalized, "l2=0.25", torch.optim.Adam(penalized.parameters(), lr=0.05), three_class_split)
    groups = [
        {"params": [p for p in adamw.parameters() if p.ndim == 2], "weight_decay": 0.5},
        {"params": [p for p in adamw.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    steps(adamw, "", torch.optim.AdamW(groups, lr=0.05), three_class_split)
    torch.testing.assert_close(decayed[0].weight, adamw[0].weight)
    assert not torch.allclose(decayed[0].weight, penalized[0].weight, rtol=0.01)
    both = Recipe.of("l2=0.1, weight_decay=0.1").lint(make_net(), Context(optimizer="adam"))
    assert next((r.severity, r.techniques) for r in both) == ("warning", ("l2", "weight_decay"))
    with pytest.warns(UserWarning, match=r"the optimizer's own weight_decay=0.01 acts in addition to weight_decay=0.1"):
        attach(adamw, "weight_decay=0.1", torch.optim.AdamW(adamw.parameters())).close()


def test_03_bias_and_norm_are_decayed(three_class_split: Split) -> None:
    """https://github.com/pytorch/pytorch/issues/53718, https://github.com/karpathy/minGPT/pull/24

    Weights are recognized by the type of their module, not by name or number of dimensions.
    """

    class Rescale(nn.LayerNorm):
        """A normalization whose name does not reveal it."""

    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm_bias, self.kernel, self.head = nn.Linear(6, 8), Rescale(8), nn.Linear(8, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.kernel(self.norm_bias(x)))

    for recipe in ("l2=0.2", "weight_decay=0.5", "l1=0.01"):
        plain, model = Odd(), Odd()
        model.load_state_dict(plain.state_dict())
        for m, text in ((plain, ""), (model, recipe)):
            steps(m, text, torch.optim.SGD(m.parameters(), lr=0.1), three_class_split, n=1)
        changed = [n for n, w in model.state_dict().items() if not torch.equal(w, plain.state_dict()[n])]
        assert changed == ["norm_bias.weight", "head.weight"]


def test_04_a_penalty_on_a_pretrained_model_does_nothing(three_class_split: Split, make_net: Net) -> None:
    """https://github.com/keras-team/keras/issues/7688, https://github.com/tensorflow/tensorflow/issues/33635"""
    pretrained = fit(make_net(), three_class_split, "", SHORT).model
    optimizer = torch.optim.SGD(pretrained.parameters(), lr=0.1)
    with attach(pretrained, "l2=0.1", optimizer) as reg:
        kernels = [p.detach() for p in pretrained.parameters() if p.ndim == 2]
        assert reg.penalties()["penalty_l2"] == pytest.approx(
            0.1 * sum(float(w.square().sum()) for w in kernels), rel=1e-5
        )
    for wrong in ("l2(0.1, on='classifier.*')", "l2(0.1, on=Conv2d)", "dropout(0.5, on='blocks.*')"):
        with pytest.raises(InputError, match="on must match a weight tensor of the network"):
            attach(pretrained, wrong, optimizer)


def test_05_penalties_act_on_the_last_layer_only_or_not_at_all(three_class_split: Split) -> None:
    """https://github.com/tensorflow/tensorflow/issues/37511, https://github.com/hunglc007/tensorflow-yolov4-tflite/issues/369"""
    layers: list[nn.Module] = []
    for _ in range(4):  # in Keras, closures created in a loop refer to the last layer
        layers += [nn.Linear(6, 6), nn.Tanh()]
    model = nn.Sequential(*layers, nn.Linear(6, 3))
    start, plain = snapshot(model), copy.deepcopy(model)
    for m, recipe in ((model, "l2=0.1"), (plain, "")):
        steps(m, recipe, torch.optim.SGD(m.parameters(), lr=0.1), three_class_split, n=1)
    for name in (f"{number}.weight" for number in (0, 2, 4, 6, 8)):  # one step subtracts lr · 2λ · w
        expected = plain.state_dict()[name] - 0.1 * 2 * 0.1 * start[name]
        torch.testing.assert_close(model.state_dict()[name], expected)


def test_06_loss_and_penalty_are_mixed(three_class_split: Split, make_net: Net) -> None:
    """https://github.com/keras-team/keras/issues/2575, https://github.com/keras-team/keras/issues/6518"""
    run = fit(make_net(), three_class_split, "l2=0.5, l1=0.1, activity_l2=0.5, early_stopping=5", SHORT)
    data_loss = float(F.cross_entropy(run.outputs(three_class_split.stop.x), three_class_split.stop.y))
    assert run.row["stop_loss"] == pytest.approx(data_loss, rel=1e-5)
    assert run.row["penalty_l2"] + run.row["penalty_l1"] > 0.05
    assert run.best_epoch == 1 + int(np.argmin(run.history["stop_loss"]))


def test_07_max_norm_on_the_wrong_axis_or_inside_its_bound() -> None:
    """https://github.com/kevinzakka/pytorch-goodies/issues/1, https://github.com/keras-team/keras/issues/3628"""
    model = nn.Sequential(nn.Conv2d(2, 3, 2), nn.Flatten(), nn.Linear(12, 2), nn.Embedding(4, 3))
    before = [w.detach().clone() for w in (model[0].weight, model[2].weight, model[3].weight)]
    bound = float(before[1].norm(dim=1).min()) * 1.0001  # one row of the linear layer is within the bound
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with attach(model, MaxNorm(bound), optimizer) as reg:
        (model[:3](torch.ones(2, 2, 3, 3)).sum() + model[3](torch.tensor([1])).sum()).backward()
        reg.step()
    for w, old in zip((model[0].weight, model[2].weight, model[3].weight), before, strict=True):
        norms = old.flatten(1).norm(dim=1)  # the incoming weights of one unit
        within = norms <= bound
        assert torch.equal(w[within], old[within])
        torch.testing.assert_close(w.detach().flatten(1).norm(dim=1), norms.clamp(max=bound))
    assert int((before[1].norm(dim=1) <= bound).sum()) == 1
