"""A recipe in a loop of the user's own computes what `fit` computes, and what torch computes by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
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
from goodfit.train.manual_loop.attach import Regularizer, attach

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
def test_equals_fit_to_rounding_with_the_same_seed(
    recipe: str, three_class_split: Split, to_double: Doubled, make_net: Net, own_loop: Loop
) -> None:
    """Draws are those of `fit` too, epoch by epoch."""
    split, model = to_double(three_class_split), make_net(gain=1.5).double()
    run = fit(model, split, recipe, Training(epochs=4, batch_size=48, learning_rate=0.02), seed=5)
    own_loop(model, recipe, OPTIMIZERS["adam"](model.parameters()), 4, split, seed=5)
    mine, other = model.state_dict(), run.model.state_dict()
    assert mine.keys() == other.keys()
    for name, tensor in other.items():
        torch.testing.assert_close(mine[name], tensor, rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_equals_fit_under_other_optimizers(
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


# ---- by hand, with torch alone -----------------------------------------------------------------------


def by_hand(
    model: nn.Module, optimizer: torch.optim.Optimizer, split: Split, steps: int = 6,
    between: Callable[[], None] = lambda: None, after: Callable[[], None] = lambda: None,
) -> nn.Module:  # fmt: skip
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(model(split.train.x), split.train.y).backward()
        between()
        optimizer.step()
        with torch.no_grad():
            after()
    return model


def ours(model: nn.Module, recipe: Any, optimizer: torch.optim.Optimizer, split: Split, **options: Any) -> nn.Module:
    x, y = split.train.x, split.train.y
    with attach(model, recipe, optimizer, **options) as reg:
        for _ in range(6):

            def closure() -> None:
                F.cross_entropy(model(x), y).backward()

            closure()
            reg.step(closure)
    return model


def same(a: nn.Module, b: nn.Module) -> None:
    for mine, other in zip(a.parameters(), b.parameters(), strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-10, atol=1e-12)


@pytest.fixture
def data(three_class_split: Split, to_double: Doubled) -> Split:
    return to_double(three_class_split)


@pytest.fixture
def twins(make_net: Net) -> Callable[[], tuple[nn.Sequential, nn.Sequential]]:
    return lambda: (make_net(gain=2.0).double(), make_net(gain=2.0).double())


Twins = Callable[[], tuple[nn.Sequential, nn.Sequential]]


def kernels(model: nn.Module) -> list[Tensor]:
    return [p for p in model.parameters() if p.ndim == 2]


def test_l2_and_weight_decay_are_torch_s(data: Split, twins: Twins) -> None:
    """Keras' λΣw² is torch's coupled weight_decay of 2λ; ours decoupled is AdamW's."""
    mine, hand = twins()
    groups = [{"params": kernels(hand), "weight_decay": 0.2}, {"params": [p for p in hand.parameters() if p.ndim == 1]}]
    by_hand(hand, torch.optim.SGD(groups, lr=0.1, momentum=0.9, nesterov=True), data)
    same(ours(mine, L2(0.1), torch.optim.SGD(mine.parameters(), lr=0.1, momentum=0.9, nesterov=True), data), hand)

    mine, hand = twins()
    groups = [{"params": kernels(hand)}, {"params": [p for p in hand.parameters() if p.ndim == 1], "weight_decay": 0.0}]
    by_hand(hand, torch.optim.AdamW(groups, lr=0.05, weight_decay=0.3), data)
    same(ours(mine, WeightDecay(0.3), torch.optim.Adam(mine.parameters(), lr=0.05), data), hand)


def test_clipping_is_torch_s(data: Split, twins: Twins) -> None:
    mine, hand = twins()
    clip = lambda: nn.utils.clip_grad_norm_(hand.parameters(), 0.3)  # noqa: E731
    by_hand(hand, torch.optim.SGD(hand.parameters(), lr=0.1), data, between=clip)  # type: ignore[arg-type]
    same(ours(mine, ClipGradNorm(0.3), torch.optim.SGD(mine.parameters(), lr=0.1), data), hand)


def test_max_norm_by_renorm(data: Split, twins: Twins) -> None:
    mine, hand = twins()

    def bound() -> None:
        for w in kernels(hand):
            w.copy_(torch.renorm(w, 2, 0, 0.7))

    by_hand(hand, torch.optim.Adam(hand.parameters(), lr=0.05), data, after=bound)
    ours(mine, MaxNorm(0.7), torch.optim.Adam(mine.parameters(), lr=0.05), data)
    for a, b in zip(mine.parameters(), hand.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)  # torch.renorm divides by the norm + 1e-7
    assert all(float(w.detach().norm(dim=1).max()) <= 0.7 + 1e-12 for w in kernels(mine))


def test_l1_is_the_proximal_step_of_each_group_s_own_rate(data: Split, twins: Twins) -> None:
    """Two groups with other learning rates: thresholds and decays follow the group's."""
    mine, hand = twins()
    rates = {id(p): (0.2 if name.startswith("0") else 0.05) for name, p in hand.named_parameters()}

    def groups(model: nn.Sequential) -> list[dict[str, Any]]:
        return [
            {"params": model[0].parameters(), "lr": 0.2},
            {"params": [*model[2].parameters(), *model[4].parameters()]},
        ]

    def shrink() -> None:
        for w in kernels(hand):
            w.copy_(w.sign() * (w.abs() - 0.03 * rates[id(w)] / 0.5).clamp(min=0))

    def decay() -> None:
        with torch.no_grad():
            for w in kernels(hand):
                w.mul_(1 - 0.1 * rates[id(w)])

    by_hand(hand, torch.optim.SGD(groups(hand), lr=0.05, momentum=0.5), data, between=decay, after=shrink)
    recipe = [L1(0.03), WeightDecay(0.1)]
    same(ours(mine, recipe, torch.optim.SGD(groups(mine), lr=0.05, momentum=0.5), data), hand)
    zeros = [int((w == 0).sum()) for w in kernels(mine)]
    assert zeros == [int((w == 0).sum()) for w in kernels(hand)]
    assert zeros[0] > 0


def test_ema_is_torch_s_averaged_model(data: Split, twins: Twins) -> None:
    mine, hand = twins()
    averaged = AveragedModel(hand, multi_avg_fn=get_ema_multi_avg_fn(0.5 ** (1 / (2 * 3))))
    averaged.update_parameters(hand)  # torch's first update copies the weights as they are; ours starts from them
    by_hand(hand, torch.optim.Adam(hand.parameters(), lr=0.05), data, after=lambda: averaged.update_parameters(hand))
    same(ours(mine, EMA(2.0), torch.optim.Adam(mine.parameters(), lr=0.05), data, steps_per_epoch=3), averaged.module)


def test_sam_by_hand(data: Split, twins: Twins) -> None:
    mine, hand = twins()

    def sharpen() -> None:
        grads = [p.grad.clone() for p in hand.parameters()]  # type: ignore[union-attr]
        norm = math.sqrt(sum(float(g.square().sum()) for g in grads))
        moved = [0.1 * g / norm for g in grads]
        with torch.no_grad():
            for p, step in zip(hand.parameters(), moved, strict=True):
                p.add_(step)
        hand.zero_grad()
        F.cross_entropy(hand(data.train.x), data.train.y).backward()
        with torch.no_grad():
            for p, step in zip(hand.parameters(), moved, strict=True):
                p.sub_(step)

    by_hand(hand, torch.optim.SGD(hand.parameters(), lr=0.1, momentum=0.9), data, between=sharpen)
    same(ours(mine, SAM(0.1), torch.optim.SGD(mine.parameters(), lr=0.1, momentum=0.9), data), hand)


@pytest.mark.parametrize("recipe", ["l1=0.01, max_norm=1", "sam=0.1, clip_grad_norm=0.5", "class_weights, ema=0.5"])
def test_four_parts_equal_the_batch(recipe: str, data: Split, make_net: Net) -> None:
    """A gradient accumulated from parts is one step: thresholds, averages and clipping act once."""
    x, y, models = data.train.x, data.train.y, []
    for parts in (1, 4):
        model = make_net().double()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        with attach(model, recipe, optimizer, data=(x, y), epochs=1, steps_per_epoch=4) as reg:
            for _ in range(4):

                def closure(model: nn.Module = model, reg: Regularizer = reg, parts: int = parts) -> None:
                    for xs, ys in zip(x.chunk(parts), y.chunk(parts), strict=True):
                        reg.batch(xs, ys)
                        losses = F.cross_entropy(model(xs), ys, reduction="none")
                        ((losses.mean() + reg.penalty(losses)) / parts).backward()

                closure()
                reg.step(closure)
        models.append(model)
    same(*models)


def test_values_tell_the_penalties_apart(data: Split, make_net: Net) -> None:
    model = make_net().double()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    reg = attach(model, "l1=0.1, l2(0.2, schedule=linear)", optimizer, epochs=2, steps_per_epoch=1)
    absolute, squares = (sum(float(f(w.detach()).sum()) for w in kernels(model)) for f in (torch.abs, torch.square))
    assert reg.penalties() == pytest.approx({"penalty_l1": 0.1 * absolute, "penalty_l2": 0.2 * squares})
    F.cross_entropy(model(data.train.x), data.train.y).backward()
    reg.step()
    squares = sum(float(w.detach().square().sum()) for w in kernels(model))
    assert reg.penalties()["penalty_l2"] == pytest.approx(0.1 * squares)  # half of training lies behind
