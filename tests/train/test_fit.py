"""`fit`: a run has the results of its training; the network and the global generators are not changed."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.errors import InputError, TrainingError
from goodfit.testing.data import make_images
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.run import same

Net = Callable[..., nn.Sequential]
SHORT = Training(epochs=2, batch_size=16, learning_rate=0.02)


def test_the_network_is_not_changed(three_class_split: Split, make_net: Net) -> None:
    model = make_net()
    before = copy.deepcopy(model.state_dict())
    model[0].eval()
    run = fit(model, three_class_split, "dropout=0.5, batch_norm, l1=1e-3", SHORT)
    assert same(model.state_dict(), before)
    assert (model.training, model[0].training) == (True, False)
    assert all(p.grad is None for p in model.parameters())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())
    assert run.model is not model
    assert not any(m._forward_pre_hooks for m in run.model.modules())  # no noise in predictions


def test_a_network_learns_and_the_history_describes_the_kept_weights(three_class_split: Split, make_net: Net) -> None:
    run = fit(make_net(), three_class_split, "", Training(epochs=15, batch_size=16, learning_rate=0.02))
    assert run.history["stop_accuracy"][-1] > 0.6
    assert (run.kept, run.kept_epoch, run.epochs) == ("last", 15, 15)
    for name, part in (("train", three_class_split.train), ("stop", three_class_split.stop)):
        rows = F.cross_entropy(run.outputs(part.x), part.y, reduction="none")
        assert run.row[f"{name}_loss"] == pytest.approx(float(rows.mean()), rel=1e-5)
        assert run.row[f"{name}_loss_se"] == pytest.approx(float(rows.std()) / len(rows) ** 0.5, rel=1e-5)
        hits = (run.outputs(part.x).argmax(1) == part.y).float().mean()
        assert run.row[f"{name}_accuracy"] == pytest.approx(float(hits))
    assert run.predict(three_class_split.stop.x) == [
        three_class_split.spec.classes[i] for i in run.outputs(three_class_split.stop.x).argmax(1)
    ]


def test_a_reference_network_gets_initial_weights_from_the_seed(three_class_split: Split) -> None:
    a, b, c = (fit("mlp:8", three_class_split, "", SHORT, seed=seed) for seed in (1, 1, 2))
    assert same(a.last, b.last)
    assert not same(a.last, c.last)
    assert a.network == "mlp:8"


def test_regression(regression_split: Split, make_net: Net) -> None:
    run = fit(make_net(1), regression_split, "", Training(epochs=30, batch_size=16, learning_rate=0.02))
    assert (run.loss, run.metric) == ("mse", "r2")
    assert run.history["stop_r2"][-1] > 0.7
    assert run.predict(regression_split.stop.x).shape == (16,)
    for loss in ("mae", "huber"):
        assert fit(make_net(1), regression_split, "", Training(epochs=1, loss=loss)).loss == loss


def test_one_logit_for_two_classes_equals_two(two_class_split: Split, make_net: Net) -> None:
    """σ(a) is the softmax of (0, a): with the logit of the first class fixed at 0 the losses are the same."""

    class TwoLogits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = make_net(1)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            logit = self.one(x)
            return torch.cat([torch.zeros_like(logit), logit], 1)

    settings = Training(epochs=4, batch_size=16, learning_rate=0.02)
    for recipe in ("", "label_smoothing=0.2", "mixup=0.4"):
        one, both = (
            fit(make_net(1), two_class_split, recipe, settings),
            fit(TwoLogits(), two_class_split, recipe, settings),
        )
        assert (one.loss, both.loss) == ("binary_cross_entropy", "cross_entropy")
        assert one.history["stop_loss"] == pytest.approx(both.history["stop_loss"], rel=1e-4)
        assert one.history["stop_accuracy"] == both.history["stop_accuracy"]
        assert one.probabilities(two_class_split.stop.x) == pytest.approx(
            both.probabilities(two_class_split.stop.x), abs=1e-4
        )
    flat = fit(nn.Sequential(make_net(1), nn.Flatten(0)), two_class_split, "", settings)  # an output of shape (batch,)
    assert flat.history["stop_loss"] == pytest.approx(
        fit(make_net(1), two_class_split, "", settings).history["stop_loss"], rel=1e-5
    )


@pytest.mark.parametrize(
    ("network", "error"),
    [
        (lambda net: net(5), r"model: the output must be 3 logit\(s\) per row .* shape \(batch, 5\); change the last"),
        (lambda net: net(1), r"must be 3 logit\(s\) per row"),
        (lambda net: nn.Sequential(net(3), nn.Unflatten(1, (3, 1))), r"shape \(batch, 3, 1\)"),
        (lambda net: net(3, inputs=7), r"model: it cannot take a batch of shape \(2, 6\): "),
        (lambda net: nn.LSTM(6, 3), "the output must be one tensor, got tuple"),
        (
            lambda net: nn.Flatten(0),
            r"the output for 2 rows must have a first dimension of 2, got a tensor of shape \(12,\)",
        ),
    ],
)
def test_a_network_that_does_not_fit_the_data_is_refused(
    network: Callable[[Net], nn.Module], error: str, three_class_split: Split, make_net: Net
) -> None:
    with pytest.raises(InputError, match=error):
        fit(network(make_net), three_class_split)


def test_a_loss_that_does_not_fit_the_targets_is_refused(
    three_class_split: Split, regression_split: Split, make_net: Net
) -> None:
    with pytest.raises(InputError, match="loss='mse' needs numbers; the target 'y' has classes"):
        fit(make_net(), three_class_split, "", Training(loss="mse"))
    with pytest.raises(InputError, match="loss='cross_entropy' needs classes; the target 'y' is a number"):
        fit(make_net(1), regression_split, "", Training(loss="cross_entropy"))
    with pytest.raises(InputError, match=r"must be 1 value\(s\) per row"):
        fit(make_net(2), regression_split)


@pytest.mark.parametrize("seed", [-1, 1.5, True, "0"])
def test_a_seed_must_be_a_whole_number(seed: object, three_class_split: Split, make_net: Net) -> None:
    for model in (make_net(), "mlp:8"):
        with pytest.raises(InputError, match="fit: seed must be a whole number of at least 0, got"):
            fit(model, three_class_split, seed=seed)  # type: ignore[arg-type]


def test_a_custom_loss(three_class_split: Split, make_net: Net) -> None:
    per_row = fit(make_net(), three_class_split, "", SHORT, loss=lambda o, y: F.cross_entropy(o, y, reduction="none"))
    usual = fit(make_net(), three_class_split, "", SHORT)
    assert per_row.history["stop_loss"] == pytest.approx(usual.history["stop_loss"], rel=1e-5)
    assert per_row.history["stop_loss_se"] == pytest.approx(usual.history["stop_loss_se"], rel=1e-4)
    scalar = fit(make_net(), three_class_split, "", SHORT, loss=nn.CrossEntropyLoss())
    assert scalar.history["stop_loss"] == pytest.approx(usual.history["stop_loss"], rel=1e-5)
    assert all(value != value for value in scalar.history["stop_loss_se"])  # one number has no standard error
    assert scalar.loss == "CrossEntropyLoss"


def test_frozen_layers_are_not_changed(three_class_split: Split, make_net: Net) -> None:
    model = make_net()
    model[0].requires_grad_(False)
    for recipe in ("", "l2=0.1, weight_decay=0.1, l1=0.01, max_norm=0.1, clip_grad_norm=1, ema=0.5"):
        run = fit(model, three_class_split, recipe, SHORT)
        assert torch.equal(run.last["0.weight"], model[0].weight)
        assert not torch.equal(run.last["2.weight"], model[2].weight)
    with pytest.raises(
        InputError, match=r"L2: on must choose a tensor that it can act on, got on='kernel 0' \(0.weight: frozen\)"
    ):
        fit(model, three_class_split, "l2(0.1, on='kernel 0')", SHORT)
    with pytest.raises(InputError, match="no parameter is trainable"):
        fit(model.requires_grad_(False), three_class_split, "", SHORT)


def test_tied_weights_stay_tied_and_are_penalized_once(three_class_split: Split) -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3))
    model[2].weight = model[0].weight
    run = fit(model, three_class_split, "l2=0.1, l1=0.01, ema=0.5, early_stopping=5", SHORT)
    assert run.model[2].weight is run.model[0].weight
    assert torch.equal(run.last["0.weight"], run.last["2.weight"])
    plain = fit(model, three_class_split, "l2=0.1", SHORT)
    kernels = [plain.last[name].double() for name in ("0.weight", "4.weight")]
    penalty = 0.1 * sum(float(w.square().sum()) for w in kernels)
    assert plain.history["penalty_l2"][-1] == pytest.approx(penalty, rel=1e-5)


def test_the_networks_own_dropout_depends_on_the_seed_only(three_class_split: Split, make_net: Net) -> None:
    class AlwaysDropout(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return F.dropout(x, 0.1)  # also in evaluation mode

    for layer in (nn.Dropout(0.5), AlwaysDropout()):
        model = nn.Sequential(layer, make_net())
        torch.manual_seed(1)
        before = torch.get_rng_state()
        a = fit(model, three_class_split, "dropout=0.2", SHORT, seed=4)
        assert torch.equal(torch.get_rng_state(), before)
        torch.manual_seed(2)
        b = fit(model, three_class_split, "dropout=0.2", SHORT, seed=4)
        assert same(a.last, b.last)
        assert a.history["stop_loss"] == b.history["stop_loss"]
        assert not same(a.last, fit(model, three_class_split, "dropout=0.2", SHORT, seed=5).last)


def test_an_infinite_loss_in_the_first_epoch_is_an_error_with_epoch_and_batch(
    three_class_split: Split, make_net: Net
) -> None:
    calls = iter(range(100))

    def failing_loss(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        loss = F.cross_entropy(output, y, reduction="none")
        return loss * float("inf") if torch.is_grad_enabled() and next(calls) == 3 else loss

    with pytest.raises(TrainingError, match=r"the loss became inf in epoch 1, batch 4 of 6; try a lower learning_rate"):
        fit(make_net(), three_class_split, "", SHORT, loss=failing_loss)


def test_a_loss_of_nan_before_an_epoch_to_keep_is_an_error(three_class_split: Split, make_net: Net) -> None:
    calls = iter(range(100))

    def failing_loss(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        loss = F.cross_entropy(output, y, reduction="none")
        return loss * float("nan") if torch.is_grad_enabled() and next(calls) == 8 else loss

    with pytest.raises(TrainingError, match="the loss became nan in epoch 2, batch 3 of 6"):
        fit(make_net(), three_class_split, "early_stopping(5, start_from_epoch=3)", SHORT, loss=failing_loss)


def test_weights_that_are_not_finite_are_named(three_class_split: Split, make_net: Net) -> None:
    """The last step of an epoch can make weights infinite while the loss of every batch is finite."""
    calls = iter(range(100))

    def failing_loss(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        loss = F.cross_entropy(output, y, reduction="none")
        if torch.is_grad_enabled() and next(calls) == 11:
            output.register_hook(lambda grad: grad * float("nan"))
        return loss

    run = fit(make_net(), three_class_split, "", SHORT, loss=failing_loss)
    assert "the weights '0.weight' stopped being finite in epoch 2" in run.stopped
    assert (run.epochs, run.kept) == (1, "best")
    assert bool(torch.isfinite(run.outputs(three_class_split.stop.x)).all())


def test_ctrl_c_in_the_first_epoch_keeps_the_initial_weights(three_class_split: Split, make_net: Net) -> None:
    def stop(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        raise KeyboardInterrupt

    run = fit(make_net(), three_class_split, "", SHORT, loss=stop)
    assert (run.interrupted, run.epochs, run.kept) == (True, 0, "last")
    assert same(run.model.state_dict(), make_net().state_dict())
    with pytest.raises(InputError, match="epoch must be one of its 0 epochs, got epoch=0"):
        run.row  # noqa: B018


def test_lazy_layers_get_their_shapes_in_a_copy(three_class_split: Split) -> None:
    lazy = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(3))
    run = fit(lazy, three_class_split, "dropout=0.2", Training(epochs=1))
    assert run.model[0].in_features == 6  # type: ignore[index, union-attr]
    assert run.metadata["acts"][0][0] == "0"
    assert lazy[0].has_uninitialized_params()  # type: ignore[operator]


@pytest.mark.parametrize("recipe", ["", "l2=1e-4"])
def test_a_network_with_computed_weights_stays_unchanged(recipe: str) -> None:
    """Reading a weight that spectral norm computes changes its vectors."""
    torch.manual_seed(0)
    layer = nn.utils.parametrizations.spectral_norm(nn.Conv2d(3, 8, 3))
    network = nn.Sequential(layer, nn.ReLU(), nn.Flatten(), nn.Linear(288, 3))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    fit(network, make_images(), recipe, Training(epochs=1, batch_size=32), progress=False)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
