"""One training step: every stage together, the order of phases, and batches that are computed in parts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.recipe import Recipe
from goodfit.stages import Clock
from goodfit.techniques import L2, SAM, ClassBalance, ClipGradNorm, MixUp, SpectralDecoupling
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.prepare import prepare
from goodfit.train.trainer import Trainer

Net = Callable[..., nn.Sequential]
SETTINGS = {"epochs": 3, "batch_size": 32, "learning_rate": 0.02}


@pytest.mark.parametrize("accumulate", [1, 4])
def test_an_accumulated_step_with_techniques_of_every_stage_equals_a_whole_one(
    accumulate: int, three_class_split: Split, make_net: Net
) -> None:
    recipe = Recipe((ClassBalance(), MixUp(), SpectralDecoupling(0.1), ClipGradNorm(), SAM(), L2(0.01)))
    runs = [fit(make_net(), three_class_split, recipe, Training(accumulate=n, **SETTINGS)) for n in (1, accumulate)]
    assert runs[0].history["stop_loss"] == pytest.approx(runs[1].history["stop_loss"], rel=1e-3)


def test_a_step_by_hand(three_class_split: Split, make_net: Net) -> None:
    """SGD with l2, l1 and max_norm: coupled penalty, optimizer, proximal step, then the constraint."""
    model, expected, train = make_net(), make_net(), three_class_split.train
    training = Training(optimizer="sgd", momentum=0.0, learning_rate=0.5, batch_size=96, epochs=1)
    plan = prepare(model, three_class_split, Recipe.of("max_norm=0.5, l1=0.01, l2=0.1"), training)
    loss = Trainer(model, plan, three_class_split, seed=0).step(train.x, train.y, Clock(1, 1, 1), torch.Generator())
    expected_loss = F.cross_entropy(expected(train.x), train.y)
    expected_loss.backward()
    with torch.no_grad():
        for w in expected.parameters():
            assert w.grad is not None
            w.sub_(0.5 * (w.grad + (0.2 * w if w.ndim > 1 else 0)))
            if w.ndim > 1:
                w.copy_(w.sign() * (w.abs() - 0.5 * 0.01).clamp(min=0))
                w.mul_((0.5 / w.norm(dim=1, keepdim=True)).clamp(max=1))
    torch.testing.assert_close(loss, expected_loss.detach())
    for weight, by_hand in zip(model.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(weight, by_hand, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("batch_size", "accumulate"), [(32, 1), (32, 4), (33, 4), (19, 3), (1000, 7), (5, 9)])
def test_gradients_of_parts_sum_to_that_of_the_batch(
    batch_size: int, accumulate: int, three_class_split: Split, make_net: Net
) -> None:
    settings = {"epochs": 2, "batch_size": batch_size, "optimizer": "sgd", "learning_rate": 0.05}
    whole = fit(make_net(), three_class_split, "", Training(**settings))
    parts = fit(make_net(), three_class_split, "", Training(accumulate=accumulate, **settings))
    assert parts.history["batch_loss"] == pytest.approx(whole.history["batch_loss"], rel=1e-4)
    for name, weight in whole.last.items():
        torch.testing.assert_close(parts.last[name], weight, rtol=1e-3, atol=1e-5)


def test_the_number_of_rows_in_each_part(three_class_split: Split, make_net: Net) -> None:
    sizes: list[int] = []

    def recording_loss(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled():
            sizes.append(len(y))
        return F.cross_entropy(output, y, reduction="none")

    fit(make_net(), three_class_split, "", Training(epochs=1, batch_size=40, accumulate=4), loss=recording_loss)
    assert sizes == [10] * 9 + [6]
