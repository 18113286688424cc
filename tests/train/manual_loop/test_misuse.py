"""What `attach` says where it is used wrongly: nothing is left out unseen, and nothing is changed by an error."""

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
from goodfit.train.manual_loop.attach import Regularizer, attach

Net = Callable[..., nn.Sequential]


def sgd(model: nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.1)


@pytest.fixture
def batch(three_class_split: Split) -> tuple[Tensor, Tensor]:
    return three_class_split.train.x, three_class_split.train.y


# ---- at once -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
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
def test_arguments(options: dict[str, Any], says: str, make_net: Net) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        attach(**({"model": make_net(), "recipe": "dropout=0.5"} | options))


@pytest.mark.parametrize(
    ("recipe", "missing", "says"),
    [
        ("l1=0.1", ["optimizer"], "L1: it acts around the optimizer's step; give attach(…, optimizer=)."),
        ("clip_grad_norm=1", ["optimizer"], "ClipGradNorm: it acts around the optimizer's step"),
        ("dropout(0.5, schedule=linear)", ["optimizer"], "Dropout: it acts around the optimizer's step"),
        ("noisy_linear", ["optimizer"], "NoisyLinear: its strengths are learned along with the weights"),
        (
            "l1(0.1, schedule=late)",
            ["epochs"],
            "L1: it must know how long training will be; give attach(…, epochs=, steps",
        ),
        ("swa=0.5", ["steps_per_epoch"], "SWA: it must know how long training will be"),
        ("ema=0.5", ["steps_per_epoch"], "EMA: it is counted in epochs; give attach(…, steps_per_epoch=)."),
        ("label_smoothing=0.1", ["data"], "LabelSmoothing: it must know the classes, which are whole numbers y"),
        ("class_weights", ["data"], "ClassWeights: it must know the classes"),
        ("fgsm=0.1", ["loss"], "FGSM: it moves the inputs against the data loss; give attach(…, loss=)."),
        ("fgsm=0.1", ["data"], "FGSM: its strength is in units of the spread of the inputs"),
        ("class_balance", ["data"], "ClassBalance: it chooses among the training rows; give attach(…, data=(x, y))."),
        ("snapshot_ensemble=2", ["data"], "SnapshotEnsemble: it must know whether it averages probabilities"),
        (
            "snapshot_ensemble=2, early_stopping=3",
            [],
            "SnapshotEnsemble: in a loop of your own it cannot keep the best",
        ),
        ("batch_norm, ema=0.5", ["data"], "EMA: batch norms need their statistics anew; give attach(…, data=(x, y))."),
        ("unit_norm, max_norm=0.5", [], "recipe: unit_norm, max_norm at 0.weight, 2.weight, 4.weight: "),
        ("r_drop=1, batch_norm", [], "recipe: r_drop: its two forward passes do not differ"),
        ("target_noise=0.1", [], "TargetNoise: it acts on numbers; the target has classes"),
        ("l1=0.1, drop_path=0.1, batch_norm", [], "DropPath: the network must have residual branches"),
        ("dropout=0.5, batch_norm, l1(0.1, on='nowhere')", [], "L1: on must match a weight tensor"),
        ("dropout=0.5, noisy_linear, ema=0.5, swa=0.5", [], "only one technique may choose the weights to keep"),
    ],
)
def test_what_a_technique_needs(
    recipe: str, missing: list[str], says: str, batch: tuple[Tensor, Tensor], make_net: Net
) -> None:
    """And the network and its optimizer are as they were."""
    model = make_net()
    optimizer = sgd(model)
    options: dict[str, Any] = {
        "optimizer": optimizer, "loss": F.cross_entropy, "data": batch, "epochs": 2, "steps_per_epoch": 3
    }  # fmt: skip
    keys, groups = list(model.state_dict()), [len(g["params"]) for g in optimizer.param_groups]
    with pytest.raises(InputError, match=re.escape(says)):
        attach(model, recipe, **{name: value for name, value in options.items() if name not in missing})
    assert list(model.state_dict()) == keys
    assert [len(g["params"]) for g in optimizer.param_groups] == groups
    for module in model.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert "forward" not in vars(module)
    model(batch[0]).sum().backward()
    optimizer.step()
    attach(model, "dropout=0.5").close()  # it is free for another recipe


def test_tensors_that_the_optimizer_does_not_hold(make_net: Net) -> None:
    model = make_net()
    with pytest.raises(
        InputError, match=r"L1: the optimizer must hold a tensor that it acts on, found none of 0.weight"
    ):
        attach(model, "l1(0.1, on='kernel 0')", torch.optim.SGD(model[2].parameters()))


def test_one_recipe_at_a_time(make_net: Net) -> None:
    model = make_net()
    first = attach(model, "dropout=0.5")
    for network in (model, model[2], nn.Sequential(model, nn.Linear(3, 2))):
        with pytest.raises(
            InputError, match=r"a recipe is at work on this network .* already; end that one with close\(\)"
        ):
            attach(network, "dropout=0.2")
    first.close()
    attach(model, "dropout=0.2").detach()


# ---- in the loop -------------------------------------------------------------------------------------


def test_what_was_left_out_before_a_step_is_said(batch: tuple[Tensor, Tensor], make_net: Net) -> None:
    x, y = batch
    cases = {
        "mixup=0.2": r"step\(\) must follow batch\(\), by which mixup acts; train on what x, y = reg.batch\(x, y\)",
        "activity_l1=0.1": r"step\(\) must follow penalty\(\), by which activity_l1 acts; add reg.penalty\(\) to the",
        "class_balance": r"step\(\) must follow rows\(\), by which class_balance acts; draw the rows with reg.rows\(\)",
    }
    for recipe, says in cases.items():
        model = make_net()
        reg = attach(model, recipe, sgd(model), data=batch)
        F.cross_entropy(model(x), y).backward()
        before = model[0].weight.clone()
        with pytest.raises(InputError, match=says):
            reg.step()
        assert torch.equal(model[0].weight, before)
    model = make_net()
    reg = attach(model, "mixup=0.2", sgd(model), data=batch)
    for _ in range(2):  # each step anew
        xs, ys = reg.batch(x, y)
        F.cross_entropy(model(xs), ys).backward()
        reg.step()
    F.cross_entropy(model(xs), ys).backward()
    with pytest.raises(InputError, match="must follow batch"):
        reg.step()


def test_a_step_without_gradients(make_net: Net) -> None:
    model = make_net()
    with (
        attach(model, "l1=0.1", sgd(model)) as reg,
        pytest.raises(InputError, match=r"step\(\) must follow backward\(\)"),
    ):
        reg.step()


@pytest.mark.parametrize("call", ["step", "scaler"])
def test_the_optimizer_s_own_step_is_refused_while_a_recipe_acts_around_it(
    call: str, batch: tuple[Tensor, Tensor], make_net: Net
) -> None:
    model, scaler = make_net(), torch.amp.GradScaler("cpu")
    optimizer = sgd(model)
    with attach(model, "l1=0.1", optimizer):
        scaler.scale(F.cross_entropy(model(batch[0]), batch[1])).backward()
        with pytest.raises(InputError, match=r"call reg.step\(\) instead of SGD.step\(\), .* because the recipe acts"):
            optimizer.step() if call == "step" else scaler.step(optimizer)
    optimizer.step()
    with attach(model, "dropout=0.5", optimizer):  # nothing acts around the step
        optimizer.step()


def test_sam_needs_a_closure(batch: tuple[Tensor, Tensor], make_net: Net) -> None:
    model = make_net()
    weights = [p.clone() for p in model.parameters()]
    with attach(model, "sam=0.1", sgd(model)) as reg:
        F.cross_entropy(model(batch[0]), batch[1]).backward()
        with pytest.raises(InputError, match=r"needs a closure that computes the loss anew .* \(sam asks for it\)"):
            reg.step()
    assert all(torch.equal(p, w) for p, w in zip(model.parameters(), weights, strict=True))  # they were moved back


def test_an_error_in_the_closure_moves_the_weights_back(batch: tuple[Tensor, Tensor], make_net: Net) -> None:
    model = make_net()
    weights = [p.clone() for p in model.parameters()]

    def breaks() -> None:
        raise RuntimeError("no memory")

    with attach(model, "sam=0.1", sgd(model)) as reg:
        F.cross_entropy(model(batch[0]), batch[1]).backward()
        with pytest.raises(RuntimeError, match="no memory"):
            reg.step(breaks)
    assert all(torch.equal(p, w) for p, w in zip(model.parameters(), weights, strict=True))


def early(reg: Regularizer, model: nn.Module, x: Tensor, y: Tensor) -> None:
    reg.penalty()


def without_batch(reg: Regularizer, model: nn.Module, x: Tensor, y: Tensor) -> None:
    model(x)
    reg.penalty()


def in_evaluation(reg: Regularizer, model: nn.Module, x: Tensor, y: Tensor) -> None:
    reg.batch(x, y)
    model.eval()(x)
    reg.penalty()


def forward_before_batch(reg: Regularizer, model: nn.Module, x: Tensor, y: Tensor) -> None:
    model(x)
    reg.batch(x, y)
    reg.penalty()


@pytest.mark.parametrize("use", [early, without_batch, in_evaluation, forward_before_batch])
def test_a_penalty_without_a_forward_pass(
    use: Callable[..., None], batch: tuple[Tensor, Tensor], make_net: Net
) -> None:
    model = make_net()
    with attach(model, "activity_l1=0.1") as reg, pytest.raises(InputError, match=r"penalty\(\) must follow reg.batch"):
        use(reg, model, *batch)


def test_a_loss_per_row_where_a_term_weighs_it(batch: tuple[Tensor, Tensor], make_net: Net) -> None:
    model = make_net()
    with attach(model, "class_weights", data=batch) as reg:
        reg.batch(*batch)
        model(batch[0])
        with pytest.raises(InputError, match="ClassWeights: the loss function must return one loss per sample"):
            reg.penalty()


def test_batches_that_do_not_fit(batch: tuple[Tensor, Tensor], make_net: Net) -> None:
    x, y = batch
    with attach(make_net(), "mixup=0.2") as reg:
        with pytest.raises(InputError, match=r"how many classes there are must be known \(mixup asks for it\); give"):
            reg.batch(x, y)
        reg.batch(x, F.one_hot(y, 3).float())  # probabilities say it themselves
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


def test_what_an_epoch_must_tell(make_net: Net) -> None:
    with attach(make_net(), "early_stopping(3, monitor=stop_accuracy)") as reg:
        with pytest.raises(
            InputError, match=r"epoch\(\) must tell 'stop_accuracy', which early_stopping looks at, got"
        ):
            reg.end_epoch(val_loss=0.5)
        assert reg.monitor.epochs == 0
        reg.end_epoch({"val_accuracy": 0.5}, val_loss=torch.tensor(0.5))  # type: ignore[arg-type]
    with (
        attach(make_net(), "progress_quotient") as reg,
        pytest.raises(InputError, match="must tell 'train_loss', which prog"),
    ):
        reg.end_epoch(val_loss=0.5)


def test_calls_without_what_they_need(make_net: Net) -> None:
    reg = attach(make_net(), "dropout=0.5")
    for call in ("step", "values"):
        with pytest.raises(
            InputError, match=rf"{call}\(\) needs the optimizer; give attach\(model, recipe, optimizer\)"
        ):
            getattr(reg, call)()
    for draw in (reg.rows, lambda: iter(reg.sampler()), lambda: len(reg.sampler())):
        with pytest.raises(InputError, match=r"the training rows must be known to draw them; give attach\(…, data="):
            draw()  # type: ignore[no-untyped-call]


def test_nothing_after_close(batch: tuple[Tensor, Tensor], make_net: Net) -> None:
    model = make_net()
    reg = attach(model, "dropout=0.5", sgd(model))
    assert reg.close() is model
    assert reg.close() is model
    for call in (lambda: reg.batch(*batch), reg.penalty, reg.step):
        with pytest.raises(InputError, match=r"must come before close\(\), which has taken the recipe out"):
            call()  # type: ignore[no-untyped-call]
