from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from goodfit.data import Split
from goodfit.recipe import Recipe
from goodfit.stages import Clock
from goodfit.techniques import EMA, BatchNorm
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.stages.on_eval import WeightAverager


def test_equals_torch_averaged_model() -> None:
    torch.manual_seed(0)
    model = nn.Linear(3, 2).double()
    decay = 0.5 ** (1 / (0.7 * 5))
    theirs = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))
    theirs.update_parameters(model)  # its first call copies the weights, as our `start` does
    ours = EMA(half_life=0.7)
    state = ours.start(list(model.parameters()))
    for step in range(1, 20):
        with torch.no_grad():
            for w in model.parameters():
                w.add_(torch.randn(w.shape, dtype=w.dtype))
        theirs.update_parameters(model)
        state = ours.update(state, list(model.parameters()), Clock(step, per_epoch=5, total=20))
    for weight, other in zip(ours.weights(state), theirs.module.parameters(), strict=True):
        torch.testing.assert_close(weight, other, rtol=1e-12, atol=1e-12)


def test_half_life_by_hand() -> None:
    state = [torch.zeros(1, dtype=torch.float64)]
    one = [torch.ones(1, dtype=torch.float64)]
    for step in range(1, 13):  # three half-lives of two epochs of two steps
        state = EMA(half_life=2.0).update(state, one, Clock(step, per_epoch=2, total=12))
    assert float(state[0]) == pytest.approx(1 - 0.5**3)


class ClockRecorder(EMA):
    """Records the clock of every update."""

    def update(self, state, weights, clock):  # type: ignore[no-untyped-def]
        CLOCKS.append(clock)
        return state


CLOCKS: list[Clock] = []


def test_optimizer_steps_are_counted_with_gradient_accumulation(
    three_class_split: Split, make_net: Callable[..., nn.Sequential]
) -> None:
    CLOCKS.clear()
    fit(make_net(), three_class_split, ClockRecorder(), Training(epochs=2, batch_size=32, accumulate=4))
    assert [Clock(step, per_epoch=3, total=6) for step in range(1, 7)] == CLOCKS


def test_average_of_a_run_by_hand(three_class_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    settings = {"batch_size": 32, "learning_rate": 0.05, "optimizer": "sgd"}
    decay = 0.5 ** (1 / (0.5 * 3))
    average = {name: w.clone() for name, w in make_net().state_dict().items()}
    recorded: list[dict[str, torch.Tensor]] = []

    class WeightRecorder(EMA):
        def update(self, state, weights, clock):  # type: ignore[no-untyped-def]
            recorded.append({n: w.detach().clone() for n, w in zip(average, weights, strict=True)})
            return state

    fit(make_net(), three_class_split, WeightRecorder(), Training(epochs=2, **settings))
    for weights in recorded:
        average = {name: decay * average[name] + (1 - decay) * weights[name] for name in average}
    run = fit(make_net(), three_class_split, EMA(0.5), Training(epochs=2, **settings))
    for name, weight in average.items():
        torch.testing.assert_close(run.last[name], weight, rtol=1e-5, atol=1e-6)
    # Averaging does not change the training, only the evaluation.
    plain = fit(make_net(), three_class_split, "", Training(epochs=2, **settings))
    assert run.history["batch_loss"] == plain.history["batch_loss"]
    assert run.history["stop_loss"] != plain.history["stop_loss"]
    assert run.history["stop_loss"][-1] == pytest.approx(
        float(nn.functional.cross_entropy(run.outputs(three_class_split.stop.x), three_class_split.stop.y)), rel=1e-6
    )


def test_batch_statistics_are_those_of_the_averaged_weights(
    three_class_split: Split, make_net: Callable[..., nn.Sequential]
) -> None:
    run = fit(
        make_net(),
        three_class_split,
        Recipe((BatchNorm(), EMA(1.0))),
        Training(epochs=3, batch_size=16, learning_rate=0.05),
    )
    layer = run.model[0]
    hidden = nn.functional.linear(three_class_split.train.x, layer.weight, layer.bias)
    torch.testing.assert_close(layer.batch_norm.running_mean, hidden.mean(0), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(layer.batch_norm.running_var, hidden.var(0), rtol=1e-4, atol=1e-5)


def test_only_one_technique_can_choose_the_weights() -> None:
    with pytest.raises(ValueError, match="only one technique may choose the weights to keep, got ema, clock_recorder"):
        WeightAverager.of(nn.Linear(2, 2), [EMA(), ClockRecorder()], "classification")
