"""Errors of `attach` for wrong arguments and missing calls; an error leaves the network and the optimizer unchanged."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.train.manual_loop.attach import attach
from goodfit.train.manual_loop.regularizer import Regularizer

Net = Callable[..., nn.Sequential]


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.1)


@pytest.fixture
def batch(three_class_split: Split) -> tuple[Tensor, Tensor]:
    return three_class_split.train.x, three_class_split.train.y


# ---- errors when attaching ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"model": "mlp"}, "model must be a network (torch.nn.Module), got model='mlp'"),
        ({"model": nn.ReLU()}, "model must be a network with weights, got model=ReLU()"),
        (
            {"model": nn.LazyLinear(3)},
            "lazy layers must have been initialized, got 'weight' without values; pass a batch through the model",
        ),
        ({"optimizer": 0.1}, "optimizer must be a torch.optim.Optimizer, got optimizer=0.1"),
        ({"loss": 3}, "loss must be a function loss(output, y), got loss=3"),
        ({"epochs": 0}, "epochs must be a whole number of at least 1, got epochs=0"),
        ({"steps_per_epoch": 2.5}, "steps_per_epoch must be a whole number of at least 1, got steps_per_epoch=2.5"),
        ({"seed": -1}, "seed must be a whole number of at least 0, got seed=-1"),
        ({"seed": None}, "seed must be a whole number of at least 0, got seed=None"),
        ({"data": torch.ones(3, 6)}, "data must be the training rows, two tensors (x, y) of the same length"),
        ({"data": (torch.ones(3, 6), torch.ones(2))}, "data must be the training rows"),
    ],
)
@pytest.mark.filterwarnings("ignore:Lazy modules:UserWarning")
def test_invalid_arguments_are_refused(options: dict[str, Any], error: str, make_net: Net) -> None:
    with pytest.raises(InputError, match=re.escape(error)):
        attach(**({"model": make_net(), "recipe": "dropout=0.5"} | options))


@pytest.mark.parametrize(
    ("recipe", "missing", "error"),
    [
        ("l1=0.1", ["optimizer"], "L1: it acts around the optimizer's step; give attach(…, optimizer=)."),
        ("clip_grad_norm=1", ["optimizer"], "ClipGradNorm: it acts around the optimizer's step"),
        ("dropout(0.5, schedule=linear)", ["optimizer"], "Dropout: it acts around the optimizer's step"),
        ("noisy_linear", ["optimizer"], "NoisyLinear: its strengths are trained together with the weights"),
        (
            "l1(0.1, schedule=late)",
            ["epochs"],
            "L1: it must know the length of training; give attach(…, epochs=, steps_per_epoch=).",
        ),
        ("swa=0.5", ["steps_per_epoch"], "SWA: it must know the length of training"),
        ("ema=0.5", ["steps_per_epoch"], "EMA: it counts epochs; give attach(…, steps_per_epoch=)."),
        ("label_smoothing=0.1", ["data"], "LabelSmoothing: it must know the classes, whole numbers y"),
        ("class_weights", ["data"], "ClassWeights: it must know the classes"),
        ("fgsm=0.1", ["loss"], "FGSM: it moves the inputs against the data loss; give attach(…, loss=)."),
        ("fgsm=0.1", ["data"], "FGSM: its strength is in units of the standard deviation of the inputs"),
        ("class_balance", ["data"], "ClassBalance: it chooses among the training rows; give attach(…, data=(x, y))."),
        (
            "snapshot_ensemble=2",
            ["data"],
            "SnapshotEnsemble: it must know whether to average class probabilities or numbers",
        ),
        (
            "snapshot_ensemble=2, early_stopping=3",
            [],
            "SnapshotEnsemble: in your own loop it cannot be combined with early_stopping, which keeps the best epoch",
        ),
        (
            "batch_norm, ema=0.5",
            ["data"],
            "EMA: batch norm statistics must be recomputed for averaged weights; give attach(…, data=(x, y)).",
        ),
        ("unit_norm, max_norm=0.5", [], "recipe: unit_norm, max_norm at 0.weight, 2.weight, 4.weight: "),
        ("r_drop=1, batch_norm", [], "recipe: r_drop: its two forward passes do not differ"),
        ("target_noise=0.1", [], "TargetNoise: it acts on numbers; the target has classes"),
        ("l1=0.1, drop_path=0.1, batch_norm", [], "DropPath: the network must have residual branches"),
        ("dropout=0.5, batch_norm, l1(0.1, on='nowhere')", [], "L1: on must match a weight tensor"),
        ("dropout=0.5, noisy_linear, ema=0.5, swa=0.5", [], "only one technique may choose the weights to keep"),
    ],
)
def test_missing_arguments_and_contradictions_are_refused(
    recipe: str, missing: list[str], error: str, batch: tuple[Tensor, Tensor], make_net: Net
) -> None:
    """The network and the optimizer are unchanged afterwards."""
    model = make_net()
    optimizer = sgd(model)
    options: dict[str, Any] = {
        "optimizer": optimizer, "loss": F.cross_entropy, "data": batch, "epochs": 2, "steps_per_epoch": 3
    }  # fmt: skip
    keys, groups = list(model.state_dict()), [len(g["params"]) for g in optimizer.param_groups]
    with pytest.raises(InputError, match=re.escape(error)):
        attach(model, recipe, **{name: value for name, value in options.items() if name not in missing})
    assert list(model.state_dict()) == keys
    assert [len(g["params"]) for g in optimizer.param_groups] == groups
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert "forward" not in vars(module)
    model(batch[0]).sum().backward()
    optimizer.step()
    attach(model, "dropout=0.5").close()  # another recipe can be attached


def test_a_technique_on_tensors_outside_the_optimizer_is_refused(make_net: Net) -> None:
    model = make_net()
    with pytest.raises(
        InputError, match=r"L1: the optimizer must hold a tensor that it acts on, found none of 0.weight"
    ):
        attach(model, "l1(0.1, on='kernel 0')", torch.optim.SGD(model[2].parameters()))


def test_a_network_or_a_part_of_it_has_one_recipe_at_a_time(make_net: Net) -> None:
    model = make_net()
    first = attach(model, "dropout=0.5")
    for network in (model, model[2], nn.Sequential(model, nn.Linear(3, 2))):
        with pytest.raises(
            InputError,
            match=r"a recipe is already attached to this network .* remove it with close\(\), or put all",
        ):
            attach(network, "dropout=0.2")
    first.close()
    attach(model, "dropout=0.2").detach()


# ---- errors in the loop ------------------------------------------------------------------------------


def test_a_step_without_a_required_call_is_refused(batch: tuple[Tensor, Tensor], make_net: Net) -> None:
    x, y = batch
    cases = {
        "mixup=0.2": r"step\(\) must follow batch\(\), which mixup needs; train on the x and y that x, y = reg.batch",
        "activity_l1=0.1": r"step\(\) must follow penalty\(\), which activity_l1 needs; add reg.penalty\(\) to the",
        "class_balance": r"step\(\) must follow rows\(\), which class_balance needs; draw the rows with reg.rows\(\)",
    }
    for recipe, error in cases.items():
        model = make_net()
        reg = attach(model, recipe, sgd(model), data=batch)
        F.cross_entropy(model(x), y).backward()
        before = model[0].weight.clone()
        with pytest.raises(InputError, match=error):
            reg.step()
        assert torch.equal(model[0].weight, before)
    model = make_net()
    reg = attach(model, "mixup=0.2", sgd(model), data=batch)
    for _ in range(2):  # every step needs the call
        xs, ys = reg.batch(x, y)
        F.cross_entropy(model(xs), ys).backward()
        reg.step()
    F.cross_entropy(model(xs), ys).backward()
    with pytest.raises(InputError, match="must follow batch"):
        reg.step()


def test_a_step_without_gradients_is_refused(make_net: Net) -> None:
    model = make_net()
    with (
        attach(model, "l1=0.1", sgd(model)) as reg,
        pytest.raises(InputError, match=r"step\(\) must follow backward\(\)"),
    ):
        reg.step()


def penalty_before_everything(reg: Regularizer, model: nn.Module, x: Tensor, y: Tensor) -> None:
    reg.penalty()


def without_batch(reg: Regularizer, model: nn.Module, x: Tensor, y: Tensor) -> None:
    model(x)
    reg.penalty()


def in_evaluation_mode(reg: Regularizer, model: nn.Module, x: Tensor, y: Tensor) -> None:
    reg.batch(x, y)
    model.eval()(x)
    reg.penalty()


def forward_before_batch(reg: Regularizer, model: nn.Module, x: Tensor, y: Tensor) -> None:
    model(x)
    reg.batch(x, y)
    reg.penalty()


@pytest.mark.parametrize("loop", [penalty_before_everything, without_batch, in_evaluation_mode, forward_before_batch])
def test_a_penalty_without_a_forward_pass_is_refused(
    loop: Callable[..., None], batch: tuple[Tensor, Tensor], make_net: Net
) -> None:
    model = make_net()
    with attach(model, "activity_l1=0.1") as reg, pytest.raises(InputError, match=r"penalty\(\) must follow reg.batch"):
        loop(reg, model, *batch)


def test_a_technique_that_weights_rows_requires_a_loss_per_row(batch: tuple[Tensor, Tensor], make_net: Net) -> None:
    model = make_net()
    with attach(model, "class_weights", data=batch) as reg:
        reg.batch(*batch)
        model(batch[0])
        with pytest.raises(InputError, match="ClassWeights: the loss function must return one loss per sample"):
            reg.penalty()


def test_invalid_batches_are_refused(batch: tuple[Tensor, Tensor], make_net: Net) -> None:
    x, y = batch
    with attach(make_net(), "mixup=0.2") as reg:
        with pytest.raises(InputError, match=r"the number of classes must be known \(required by mixup\); give attach"):
            reg.batch(x, y)
        reg.batch(x, F.one_hot(y, 3).float())  # the shape of probabilities shows the number of classes
        with pytest.raises(InputError, match=r"batch\(\) takes two tensors, got list and Tensor"):
            reg.batch([x], y)  # type: ignore[arg-type]
        with pytest.raises(InputError, match=r"MixUp: the inputs must be numbers that can be blended, got torch.int64"):
            reg.batch(x.long(), F.one_hot(y, 3).float())
    with (
        attach(make_net(), "mixup=0.2", data=(x, y.clamp(max=1))) as reg,
        pytest.raises(
            InputError, match=r"a batch's classes must be among those of the training rows \(0 to 1 in data=\), got 2"
        ),
    ):
        reg.batch(x, y)


def test_an_epoch_without_the_monitored_metric_is_refused(make_net: Net) -> None:
    with attach(make_net(), "early_stopping(3, monitor=stop_accuracy)") as reg:
        with pytest.raises(
            InputError,
            match=r"end_epoch\(\) must get 'stop_accuracy', which early_stopping monitors, got {'stop_loss': 0.5}",
        ):
            reg.end_epoch(val_loss=0.5)
        assert reg.epochs == 0
        reg.end_epoch({"val_accuracy": 0.5}, val_loss=torch.tensor(0.5))  # type: ignore[arg-type]
    with (
        attach(make_net(), "progress_quotient") as reg,
        pytest.raises(InputError, match="must get 'train_loss', which progress_quotient monitors"),
    ):
        reg.end_epoch(val_loss=0.5)


def test_calls_that_need_a_missing_argument_are_refused(make_net: Net) -> None:
    reg = attach(make_net(), "dropout=0.5")
    for call in ("step", "penalties"):
        with pytest.raises(
            InputError, match=rf"{call}\(\) needs the optimizer; call attach\(model, recipe, optimizer\)"
        ):
            getattr(reg, call)()
    for draw in (reg.rows, lambda: iter(reg.sampler()), lambda: len(reg.sampler())):
        with pytest.raises(
            InputError, match=r"the training rows must be known to draw them, got y=None; give attach\(…, data="
        ):
            draw()


def test_calls_after_close_are_refused(batch: tuple[Tensor, Tensor], make_net: Net) -> None:
    model = make_net()
    reg = attach(model, "dropout=0.5", sgd(model))
    assert reg.close() is model
    assert reg.close() is model
    for call in (lambda: reg.batch(*batch), reg.penalty, reg.step):
        with pytest.raises(InputError, match=r"must come before close\(\), which has removed the recipe"):
            call()


# ---- warnings ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", ["l2=0.1", "weight_decay=0.1", "elastic_net(l1=0.0, l2=0.1)"])
def test_weight_decay_of_both_optimizer_and_recipe_is_warned_about(
    recipe: str, network: Callable[..., nn.Module]
) -> None:
    """The default weight_decay of torch's AdamW is 0.01."""
    model = network()
    with pytest.warns(
        UserWarning, match=r"weight_decay=0.01 acts in addition to .* on 0.weight, 2.weight, 4.weight; c"
    ):
        attach(model, recipe, torch.optim.AdamW(model.parameters())).close()
    attach(model, recipe, torch.optim.AdamW(model.parameters(), weight_decay=0.0)).close()  # no warning
    attach(model, "l1=0.1, max_norm=1, l2=0", torch.optim.AdamW(model.parameters())).close()
