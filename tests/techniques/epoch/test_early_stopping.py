"""Keras' semantics on recorded curves, computed by hand, and which weights are kept after every kind of ending."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from goodfit.data import METRICS, Split
from goodfit.errors import InputError
from goodfit.techniques import EarlyStopping
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.run import same


def stops_at(early: EarlyStopping, curve: list[float], column: str = "stop_loss") -> tuple[int, int]:
    """The epoch at which it stops (0: never) and its best epoch."""
    state = early.start()
    for epoch, value in enumerate(curve, start=1):
        state, decision = early.observe(state, epoch, {column: value})
        if decision.stop:
            assert decision.reason
            return epoch, state["best_epoch"]
    return 0, state["best_epoch"]


#        epoch   1    2    3    4    5    6    7    8    9
CURVE = [0.9, 0.7, 0.8, 0.6, 0.6, 0.65, 0.61, 0.55, 0.7]
UP = [-value for value in CURVE]  # the same curve as a score; negative throughout


@pytest.mark.parametrize(
    ("knobs", "stop", "best"),
    [
        ({"patience": 0}, 3, 2),  # the first epoch without improvement
        ({"patience": 1}, 3, 2),
        ({"patience": 2}, 6, 4),  # equal (0.6 at 5) is no improvement
        ({"patience": 3}, 7, 4),
        ({"patience": 4}, 0, 8),  # 8 improves just in time
        ({"patience": 3, "min_delta": 0.15}, 5, 2),  # 2 improves by 0.2, 4 by only 0.1
        ({"patience": 2, "min_delta": 0.15}, 4, 2),
        ({"patience": 2, "start_from_epoch": 4}, 7, 5),  # best value from epoch 5 on: 0.6 at 5
        ({"patience": 1, "start_from_epoch": 2}, 5, 4),
        ({"patience": 2, "baseline": 0.65}, 3, 2),  # 1 and 2 improve but do not beat 0.65: the patience is not reset
        ({"patience": 4, "baseline": 0.65}, 0, 8),
        ({"patience": 1, "baseline": 0.65}, 3, 2),  # never at an epoch that improves
        ({"patience": 3, "baseline": 0.0}, 3, 2),
    ],
)
def test_recorded_curve(knobs: dict[str, Any], stop: int, best: int) -> None:
    assert stops_at(EarlyStopping(**knobs), CURVE) == (stop, best)
    mirrored = knobs | {"mode": "max"} | ({"baseline": -knobs["baseline"]} if "baseline" in knobs else {})
    assert stops_at(EarlyStopping(**mirrored), UP) == (stop, best)


def test_min_delta_is_absolute_so_that_negative_scores_work() -> None:
    """A relative threshold accepts −1.00005 as better than −1."""
    early = EarlyStopping(monitor="stop_r2", patience=2, min_delta=1e-4)
    assert stops_at(early, [-1.0, -1.00005, -1.00008], "stop_r2") == (3, 1)
    assert stops_at(early, [-1.0, -0.99995, -0.99985, -0.5], "stop_r2") == (0, 4)


def test_nan_and_infinity_never_improve() -> None:
    nan, inf = float("nan"), float("inf")
    assert stops_at(EarlyStopping(patience=2), [0.5, nan, nan]) == (3, 1)
    assert stops_at(EarlyStopping(patience=3), [inf, 0.5, nan, 0.4]) == (0, 4)
    assert stops_at(EarlyStopping(patience=3, mode="max"), [inf, 0.5, 0.4, 0.3]) == (0, 2)


@pytest.mark.parametrize("name", METRICS)
def test_auto_mode_knows_the_direction_of_every_metric(name: str) -> None:
    for monitor in (f"stop_{name}", f"val_{name}", f"train_{name}"):
        assert EarlyStopping(monitor).monitor_spec().mode == ("max" if METRICS[name].higher_is_better else "min")
    assert EarlyStopping("val_loss").monitor_spec().monitor == "stop_loss"
    assert EarlyStopping("stop_loss").monitor_spec().mode == "min"
    assert EarlyStopping(f"stop_{name}", mode="min").monitor_spec().mode == "min"


def test_state_is_plain_data_and_is_not_modified() -> None:
    early, state = EarlyStopping(), EarlyStopping().start()
    after, _ = early.observe(state, 1, {"stop_loss": 0.5})
    assert state == early.start()
    assert after == {"best": 0.5, "best_epoch": 1, "wait": 0}


# ---- in a training run ----------------------------------------------------------------------------------

SETTINGS = {"epochs": 40, "batch_size": 16, "learning_rate": 0.05}


def test_run_stops_where_its_curve_predicts(three_class_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    full = fit(make_net(), three_class_split, "", Training(**SETTINGS))
    for patience in (1, 3, 6):
        stop, best = stops_at(EarlyStopping(patience=patience), full.history["stop_loss"])
        run = fit(make_net(), three_class_split, EarlyStopping(patience=patience), Training(**SETTINGS))
        assert (run.epochs, run.best_epoch, run.kept_epoch) == (stop, best, best)
        assert "stop_loss has not improved" in run.stopped
        loss = F.cross_entropy(run.outputs(three_class_split.stop.x), three_class_split.stop.y)
        assert float(loss) == pytest.approx(min(run.history["stop_loss"]), rel=1e-5)


def test_best_weights_equal_those_of_a_run_of_that_length(
    three_class_split: Split, make_net: Callable[..., nn.Sequential]
) -> None:
    run = fit(make_net(), three_class_split, EarlyStopping(patience=3), Training(**SETTINGS))
    short = fit(make_net(), three_class_split, "", Training(**SETTINGS | {"epochs": run.best_epoch}))
    assert same(run.best, short.last)
    assert same(run.model.state_dict(), run.best)
    kept_last = fit(
        make_net(), three_class_split, EarlyStopping(patience=3, restore_best_weights=False), Training(**SETTINGS)
    )
    assert kept_last.kept == "last"
    assert same(kept_last.model.state_dict(), run.last)
    assert same(kept_last.keep("best").model.state_dict(), run.best)


def test_best_weights_without_stopping(three_class_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    run = fit(make_net(), three_class_split, EarlyStopping(patience=100), Training(**SETTINGS | {"epochs": 15}))
    assert run.epochs == 15
    assert run.best_epoch < 15
    assert run.kept == "best"
    assert not run.stopped


class FailsAt:
    """The cross-entropy, except at one training call, whose loss is passed to `then`."""

    def __init__(self, call: int, then: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.remaining, self.then = call, then

    def __call__(self, output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        loss = F.cross_entropy(output, y, reduction="none")
        if torch.is_grad_enabled():  # in training only
            self.remaining -= 1
            if self.remaining == 0:
                return self.then(loss)
        return loss


def interrupt(loss: torch.Tensor) -> torch.Tensor:
    raise KeyboardInterrupt


@pytest.mark.parametrize("recipe", ["", "early_stopping=50"])
def test_best_weights_after_ctrl_c(
    recipe: str, three_class_split: Split, make_net: Callable[..., nn.Sequential]
) -> None:
    run = fit(make_net(), three_class_split, recipe, Training(**SETTINGS), loss=FailsAt(20 * 6 + 3, interrupt))
    assert run.interrupted
    assert (run.epochs, run.stopped) == (20, "interrupted by the user")
    best = min(run.history.rows, key=lambda row: row["stop_loss"])["epoch"]
    assert (run.kept, run.best_epoch) == ("best", best)
    assert best < 20
    assert same(
        run.model.state_dict(), fit(make_net(), three_class_split, "", Training(**SETTINGS | {"epochs": best})).last
    )


@pytest.mark.parametrize("recipe", ["", "early_stopping=50"])
def test_best_weights_after_a_loss_that_is_not_finite(
    recipe: str, three_class_split: Split, make_net: Callable[..., nn.Sequential]
) -> None:
    run = fit(
        make_net(),
        three_class_split,
        recipe,
        Training(**SETTINGS),
        loss=FailsAt(20 * 6 + 3, lambda loss: loss * float("nan")),
    )
    assert "the loss became nan in epoch 21, batch 3 of 6" in run.stopped
    assert (run.epochs, run.kept, run.interrupted) == (20, "best", False)
    assert run.best_epoch < 20
    assert same(run.model.state_dict(), run.best)
    assert all(bool(torch.isfinite(t).all()) for t in run.model.state_dict().values())


def test_unknown_monitor_column_is_an_error(three_class_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    with pytest.raises(InputError, match="EarlyStopping: monitor must be one of train_loss, stop_loss, train_accuracy"):
        fit(make_net(), three_class_split, EarlyStopping("stop_f1_macro"), Training(metric="accuracy"))
    run = fit(
        make_net(), three_class_split, EarlyStopping("val_f1_macro", patience=2), Training(metric="f1_macro", epochs=30)
    )
    assert run.best_epoch == 1 + run.history["stop_f1_macro"].index(max(run.history["stop_f1_macro"]))
