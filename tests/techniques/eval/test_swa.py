from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from goodfit.data import Split
from goodfit.recipe import Recipe
from goodfit.stages import Clock
from goodfit.techniques import SWA, BatchNorm
from goodfit.train.config import Training
from goodfit.train.fit import fit


def clock(step: int, per_epoch: int = 2, epochs: int = 8) -> Clock:
    return Clock(step, per_epoch, per_epoch * epochs)


def averages(swa: SWA, epochs: int = 8, per_epoch: int = 2) -> list[float]:
    """The evaluated weight at the end of each epoch, for a weight that is s² after step s."""
    state = swa.start([torch.zeros(1, dtype=torch.float64)])
    evaluated_weights = []
    for step in range(1, per_epoch * epochs + 1):
        weights = [torch.tensor([float(step**2)], dtype=torch.float64, requires_grad=True)]
        assert swa.acts(clock(step, per_epoch, epochs)) == (step % per_epoch == 0)
        if step % per_epoch == 0:
            state = swa.update(state, weights, clock(step, per_epoch, epochs))
            (weight,) = swa.weights(state)
            evaluated_weights.append(float(weight))
    return evaluated_weights


def test_mean_over_the_ends_of_epochs_by_hand() -> None:
    """The weights at the ends of the 8 epochs are 4, 16, 36, 64, 100, 144, 196, 256."""
    assert averages(SWA(0.75)) == [4, 16, 36, 64, 100, 144, (144 + 196) / 2, pytest.approx((144 + 196 + 256) / 3)]
    assert averages(SWA(0.7)) == averages(SWA(0.75))  # epoch 6 is the first end of an epoch after 0.7 of training
    assert averages(SWA(0.0))[-1] == pytest.approx(sum([4, 16, 36, 64, 100, 144, 196, 256]) / 8)
    assert averages(SWA(1.0)) == [4, 16, 36, 64, 100, 144, 196, 256]
    assert averages(SWA(0.1 + 0.2), epochs=10) == averages(SWA(0.3), epochs=10)  # despite floating-point rounding


def test_equals_torch_averaged_model() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nn.Linear(3, 2).double()
        theirs, ours = AveragedModel(model), SWA(0.5)
        state = ours.start(list(model.parameters()))
        for step in range(1, 21):  # ten epochs of two steps
            with torch.no_grad():
                for w in model.parameters():
                    w.add_(torch.randn(w.shape, dtype=w.dtype))
            if step % 2 == 0:
                state = ours.update(state, list(model.parameters()), clock(step, epochs=10))
            if step % 2 == 0 and step >= 10:
                theirs.update_parameters(model)
    for weight, other in zip(ours.weights(state), theirs.module.parameters(), strict=True):
        torch.testing.assert_close(weight, other, rtol=1e-13, atol=1e-13)


def test_weights_are_bit_equal_until_averaging_starts() -> None:
    w = torch.randn(1000, generator=torch.Generator().manual_seed(0)) * 1e-5
    swa = SWA(0.9)
    state = swa.start([1e5 * torch.ones(1000)])
    (evaluated,) = swa.weights(swa.update(state, [w], clock(2)))
    assert torch.equal(evaluated, w)


def test_learning_rate_factor() -> None:
    paces = [SWA(0.5, pace_to=0.1).lr_factor(clock(step, per_epoch=2, epochs=4)) for step in range(1, 9)]
    assert paces == [1.0] * 4 + [0.1] * 4
    assert {SWA(1.0, pace_to=0.1).lr_factor(clock(step)) for step in range(1, 17)} == {1.0}


def test_vmap_over_swa_start() -> None:
    def one(begin: torch.Tensor, w: torch.Tensor, last: torch.Tensor) -> torch.Tensor:
        swa = SWA().with_values(swa_start=begin)
        state = swa.start([w])
        for step, now in ((1, w), (2, last)):
            state = swa.update(state, [now], Clock(step, 1, 2))
        return swa.weights(state)[0]

    ones = torch.ones(2, 3)
    assert torch.func.vmap(one)(torch.tensor([0.5, 1.0]), ones, 3 * ones)[:, 0].tolist() == [2.0, 3.0]


# ---- in a training run ----------------------------------------------------------------------------------

SETTINGS = {"epochs": 4, "batch_size": 32, "learning_rate": 0.05, "optimizer": "sgd"}


def test_average_of_a_run_by_hand(three_class_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    ends = [fit(make_net(), three_class_split, "", Training(**SETTINGS | {"epochs": n})).last for n in (2, 3, 4)]
    run = fit(make_net(), three_class_split, SWA(0.5), Training(**SETTINGS))
    for name, weight in run.last.items():
        torch.testing.assert_close(weight, (ends[0][name] + ends[1][name] + ends[2][name]) / 3, rtol=1e-5, atol=1e-6)
    plain = fit(make_net(), three_class_split, "", Training(**SETTINGS))
    assert run.history["batch_loss"] == plain.history["batch_loss"]  # training is unchanged
    assert run.history["stop_loss"][:2] == plain.history["stop_loss"][:2]
    assert run.history["stop_loss"][2] != plain.history["stop_loss"][2]


def test_the_learning_rate_of_a_run(three_class_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    run = fit(make_net(), three_class_split, SWA(0.5, pace_to=0.25), Training(**SETTINGS))
    assert run.history["learning_rate"] == pytest.approx([0.05, 0.05, 0.0125, 0.0125])


def test_batch_statistics_are_those_of_the_averaged_weights(
    three_class_split: Split, make_net: Callable[..., nn.Sequential]
) -> None:
    run = fit(make_net(), three_class_split, Recipe((BatchNorm(), SWA(0.5))), Training(**SETTINGS))
    layer = run.model[0]
    hidden = nn.functional.linear(three_class_split.train.x, layer.weight, layer.bias)
    torch.testing.assert_close(layer.batch_norm.running_mean, hidden.mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.batch_norm.running_var, hidden.var(0), rtol=1e-4, atol=1e-5)


def test_the_count_in_half_precision() -> None:
    swa, state = SWA(swa_start=0.0), SWA().start([torch.zeros(1, dtype=torch.bfloat16)])
    for step in range(1, 301):  # bfloat16 would stop counting at 256
        state = swa.update(state, [torch.zeros(1, dtype=torch.bfloat16)], Clock(step, 1, 300))
    assert state[-1] == 300
    assert state[0].dtype == torch.bfloat16
