"""A recipe in the user's own loop gives the same results as `fit`, and as the same method written with torch."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from goodfit.data import Split
from goodfit.techniques import EMA, L1, L2, SAM, ClipGradNorm, MaxNorm, WeightDecay
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.manual_loop.attach import attach
from goodfit.train.manual_loop.regularizer import Regularizer

Net = Callable[..., nn.Sequential]
Loop = Callable[..., Regularizer]
Doubled = Callable[[Split], Split]
OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.02, momentum=0.9),
    "adam": lambda p: torch.optim.Adam(p, lr=0.02),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.02, weight_decay=0.0),
}
RECIPES = [
    "",
    "l1=0.01, l2=0.01",
    "elastic_net(l1=0.01, l2=0.02)",
    "l1(0.01, schedule=cosine), l2(0.1, schedule=late)",
    "weight_decay(0.1, cautious=true)",
    "weight_decay(0.1, schedule=linear)",
    "max_norm=0.8",
    "group_lasso=0.01, orthogonal=0.01",
    "min_max_norm(min_value=0.2, max_value=0.9, rate=0.5)",
    "clip_grad_norm=0.3",
    "gradient_noise=0.1, clip_grad_value=0.05",
    "sam=0.1, clip_grad_norm=0.5, l2=0.01",
    "ema=0.5",
    "swa(0.4, pace_to=0.5)",
    "lookahead(k=2, step_size=0.5)",
    "class_weights, confidence_penalty=0.1",
    "activity_l1=0.01, kl_sparsity=0.01, spectral_decoupling=0.01",
    "jacobian_penalty=0.01",
    "label_smoothing=0.2, mixup=0.4, fgsm=0.2",
    "class_balance",
    "dropout=0.3, gaussian_noise=0.2",
    "dropout(0.4, schedule=cosine), r_drop=0.5",
    "weight_noise=0.1, noisy_linear, parametric_noise",
    "batch_norm, ema=0.5",
    "manifold_mixup=1.0",
    "early_stopping=1, l1=0.01",
    "sam, ema=0.5, dropout=0.2, early_stopping=2, l1=0.001, mixup=0.2, max_norm=1, layer_norm",
]


@pytest.mark.parametrize("recipe", RECIPES)
def test_equals_fit_with_the_same_seed_up_to_rounding(
    recipe: str, three_class_split: Split, to_double: Doubled, make_net: Net, own_loop: Loop
) -> None:
    """The random numbers are the same too, in every epoch."""
    split, model = to_double(three_class_split), make_net(gain=1.5).double()
    run = fit(model, split, recipe, Training(epochs=4, batch_size=48, learning_rate=0.02), seed=5)
    own_loop(model, recipe, OPTIMIZERS["adam"](model.parameters()), 4, split, seed=5)
    weights, expected = model.state_dict(), run.model.state_dict()
    assert weights.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(weights[name], tensor, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_equals_fit_with_other_optimizers(
    optimizer: str, three_class_split: Split, to_double: Doubled, make_net: Net, own_loop: Loop
) -> None:
    split, model, recipe = (
        to_double(three_class_split),
        make_net().double(),
        "l1=0.005, l2=0.01, weight_decay=0.1, max_norm=1.5, sam=0.05",
    )
    run = fit(model, split, recipe, Training(epochs=4, batch_size=48, learning_rate=0.02, optimizer=optimizer))
    own_loop(model, recipe, OPTIMIZERS[optimizer](model.parameters()), 4, split)
    assert int((model[2].weight == 0).sum()) > 0
    for name, tensor in run.last.items():
        torch.testing.assert_close(model.state_dict()[name], tensor, rtol=1e-9, atol=1e-11)


# ---- the same with torch only ------------------------------------------------------------------------


def train_with_torch(
    model: nn.Module, optimizer: torch.optim.Optimizer, split: Split, steps: int = 6,
    before_step: Callable[[], object] = lambda: None, after_step: Callable[[], None] = lambda: None,
) -> nn.Module:  # fmt: skip
    """Train in full batches, with functions that change gradients before a step or weights after it."""
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(split.train.x), split.train.y).backward()
        before_step()
        optimizer.step()
        with torch.no_grad():
            after_step()
    return model


def train_attached(
    model: nn.Module, recipe: Any, optimizer: torch.optim.Optimizer, split: Split, **options: Any
) -> nn.Module:
    x, y = split.train.x, split.train.y
    with attach(model, recipe, optimizer, **options) as reg:
        for _ in range(6):

            def closure() -> None:
                F.cross_entropy(model(x), y).backward()

            closure()
            reg.step(closure)
    return model


def assert_same(a: nn.Module, b: nn.Module) -> None:
    for first, second in zip(a.parameters(), b.parameters(), strict=True):
        torch.testing.assert_close(first, second, rtol=1e-10, atol=1e-12)


@pytest.fixture
def data(three_class_split: Split, to_double: Doubled) -> Split:
    return to_double(three_class_split)


@pytest.fixture
def twins(make_net: Net) -> Callable[[], tuple[nn.Sequential, nn.Sequential]]:
    """The function that builds two equal networks: one to attach to, one to train with torch."""
    return lambda: (make_net(gain=2.0).double(), make_net(gain=2.0).double())


Twins = Callable[[], tuple[nn.Sequential, nn.Sequential]]


def kernels(model: nn.Module) -> list[Tensor]:
    return [p for p in model.parameters() if p.ndim == 2]


def test_l2_and_weight_decay_equal_those_of_torch(data: Split, twins: Twins) -> None:
    """`l2` is λΣw² as in Keras, a coupled weight_decay of 2λ in torch; `weight_decay` is that of AdamW."""
    model, plain = twins()
    groups = [
        {"params": kernels(plain), "weight_decay": 0.2},
        {"params": [p for p in plain.parameters() if p.ndim == 1]},
    ]
    train_with_torch(plain, torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True), data)
    assert_same(
        train_attached(model, L2(0.1), torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True), data),
        plain,
    )

    model, plain = twins()
    groups = [
        {"params": kernels(plain)},
        {"params": [p for p in plain.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    train_with_torch(plain, torch.optim.AdamW(groups, lr=0.05, weight_decay=0.3), data)
    assert_same(train_attached(model, WeightDecay(0.3), torch.optim.Adam(model.parameters(), lr=0.05), data), plain)


def test_clipping_equals_that_of_torch(data: Split, twins: Twins) -> None:
    model, plain = twins()
    clip = partial(nn.utils.clip_grad_norm_, list(plain.parameters()), 0.3)
    train_with_torch(plain, torch.optim.SGD(plain.parameters(), lr=0.1), data, before_step=clip)
    assert_same(train_attached(model, ClipGradNorm(0.3), torch.optim.SGD(model.parameters(), lr=0.1), data), plain)


def test_max_norm_equals_torch_renorm(data: Split, twins: Twins) -> None:
    model, plain = twins()

    def bound() -> None:
        for w in kernels(plain):
            w.copy_(torch.renorm(w, 2, 0, 0.7))

    train_with_torch(plain, torch.optim.Adam(plain.parameters(), lr=0.05), data, after_step=bound)
    train_attached(model, MaxNorm(0.7), torch.optim.Adam(model.parameters(), lr=0.05), data)
    for a, b in zip(model.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)  # torch.renorm divides by the norm + 1e-7
    assert all(float(w.detach().norm(dim=1).max()) <= 0.7 + 1e-12 for w in kernels(model))


def test_proximal_steps_and_decay_use_the_learning_rate_of_the_parameter_group(data: Split, twins: Twins) -> None:
    model, plain = twins()
    rates = {id(p): (0.2 if name.startswith("0") else 0.05) for name, p in plain.named_parameters()}

    def groups(model: nn.Sequential) -> list[dict[str, Any]]:
        return [
            {"params": model[0].parameters(), "lr": 0.2},
            {"params": [*model[2].parameters(), *model[4].parameters()]},
        ]

    def shrink() -> None:
        for w in kernels(plain):
            w.copy_(w.sign() * (w.abs() - 0.03 * rates[id(w)] / 0.5).clamp(min=0))

    def decay() -> None:
        with torch.no_grad():
            for w in kernels(plain):
                w.mul_(1 - 0.1 * rates[id(w)])

    train_with_torch(
        plain, torch.optim.SGD(groups(plain), lr=0.05, momentum=0.5), data, before_step=decay, after_step=shrink
    )
    recipe = [L1(0.03), WeightDecay(0.1)]
    assert_same(train_attached(model, recipe, torch.optim.SGD(groups(model), lr=0.05, momentum=0.5), data), plain)
    zeros = [int((w == 0).sum()) for w in kernels(model)]
    assert zeros == [int((w == 0).sum()) for w in kernels(plain)]
    assert zeros[0] > 0


def test_ema_equals_torch_averaged_model(data: Split, twins: Twins) -> None:
    model, plain = twins()
    averaged = AveragedModel(plain, multi_avg_fn=get_ema_multi_avg_fn(0.5 ** (1 / (2 * 3))))
    averaged.update_parameters(plain)  # torch's first update only copies the weights
    train_with_torch(
        plain, torch.optim.Adam(plain.parameters(), lr=0.05), data, after_step=lambda: averaged.update_parameters(plain)
    )
    assert_same(
        train_attached(model, EMA(2.0), torch.optim.Adam(model.parameters(), lr=0.05), data, steps_per_epoch=3),
        averaged.module,
    )


def test_sam_equals_a_step_by_hand(data: Split, twins: Twins) -> None:
    model, plain = twins()

    def sharpen() -> None:
        grads = [p.grad.clone() for p in plain.parameters()]  # type: ignore[union-attr]
        norm = math.sqrt(sum(float(g.square().sum()) for g in grads))
        moved = [0.1 * g / norm for g in grads]
        with torch.no_grad():
            for p, step in zip(plain.parameters(), moved, strict=True):
                p.add_(step)
        plain.zero_grad()
        F.cross_entropy(plain(data.train.x), data.train.y).backward()
        with torch.no_grad():
            for p, step in zip(plain.parameters(), moved, strict=True):
                p.sub_(step)

    train_with_torch(plain, torch.optim.SGD(plain.parameters(), lr=0.1, momentum=0.9), data, before_step=sharpen)
    assert_same(train_attached(model, SAM(0.1), torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9), data), plain)


def test_penalties_have_a_value_for_each_technique(data: Split, make_net: Net) -> None:
    model = make_net().double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    reg = attach(model, "l1=0.1, l2(0.2, schedule=linear)", optimizer, epochs=2, steps_per_epoch=1)
    absolute, squares = (sum(float(f(w.detach()).sum()) for w in kernels(model)) for f in (torch.abs, torch.square))
    assert reg.penalties() == pytest.approx({"penalty_l1": 0.1 * absolute, "penalty_l2": 0.2 * squares})
    F.cross_entropy(model(data.train.x), data.train.y).backward()
    reg.step()
    squares = sum(float(w.detach().square().sum()) for w in kernels(model))
    assert reg.penalties()["penalty_l2"] == pytest.approx(0.1 * squares)  # after half of training
