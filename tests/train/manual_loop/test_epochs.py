"""`attach` over several epochs: early stopping, averages, schedules, drawn rows, and the end of the loop."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from goodfit.data import Split
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.manual_loop.attach import attach
from goodfit.train.manual_loop.regularizer import Regularizer
from goodfit.train.run import Weights, same, snapshot

Net = Callable[..., nn.Sequential]
LOSSES = [0.9, 0.5, 0.7, 0.6, 0.8]


class Stop(Exception):  # noqa: N818
    """An exception that a test raises in its loop."""


def train(
    model: nn.Module,
    split: Split,
    recipe: str,
    losses: list[float] = LOSSES,
    **options: Any,
) -> tuple[Regularizer, list[Weights]]:
    """Train one step per epoch, with these losses reported; the weights to evaluate after each epoch."""
    x, y, weights = split.train.x, split.train.y, []
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    with attach(model, recipe, optimizer, **options) as reg:
        for loss in losses:
            F.cross_entropy(model(x), y).backward()
            reg.step()
            weights.append(snapshot(reg.eval_model()))
            if reg.end_epoch(val_loss=loss).stop:
                break
    return reg, weights


def test_early_stopping_stops_and_keeps_the_best_epoch(three_class_split: Split, make_net: Net) -> None:
    model = make_net()
    reg, weights = train(model, three_class_split, "early_stopping=2")
    assert len(weights) == 4
    assert same(model.state_dict(), weights[1])
    assert reg.monitor.decision.reason == "stop_loss has not improved for 2 epochs (best: epoch 2)"


def test_later_epochs_do_not_change_the_reason_to_stop(make_net: Net) -> None:
    with attach(make_net(), "early_stopping=1, divergence_stop(threshold=2)") as reg:
        decisions = [reg.end_epoch(val_loss=loss) for loss in (0.9, 3.0, 3.1, 0.1)]
    assert [decision.stop for decision in decisions] == [False, True, True, True]
    assert {decision.reason for decision in decisions[1:]} == {
        "stop_loss has not improved for 1 epochs (best: epoch 1)"
    }


@pytest.mark.parametrize(
    ("recipe", "best"),
    [
        ("early_stopping=10", 1),  # training does not stop early
        ("early_stopping(10, start_from_epoch=2)", 3),
        ("early_stopping(10, restore_best_weights=false)", 4),
        ("early_stopping(10, mode=max)", 0),
        ("early_stopping(2, monitor=val_loss), divergence_stop", 1),
        ("", 4),
    ],
)
def test_the_weights_of_the_best_epoch_are_kept(
    recipe: str, best: int, three_class_split: Split, make_net: Net
) -> None:
    model = make_net()
    _, weights = train(model, three_class_split, recipe)
    assert same(model.state_dict(), weights[best])


@pytest.mark.parametrize("error", [Stop, KeyboardInterrupt, SystemExit])
def test_an_exception_restores_the_best_weights_and_removes_the_hooks(
    error: type[BaseException], three_class_split: Split, make_net: Net
) -> None:
    model, twin = make_net(), make_net()
    recipe = "early_stopping=9, dropout=0.5, weight_noise=0.1, activity_l2=0.0, batch_norm"
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    reg, weights = attach(model, recipe, optimizer), []

    def loop() -> None:
        with reg:
            for loss in (0.9, 0.5, 0.7):
                x, y = reg.batch(three_class_split.train.x, three_class_split.train.y)
                (F.cross_entropy(model(x), y) + reg.penalty()).backward()
                reg.step()
                reg.end_epoch(val_loss=loss)
                weights.append(snapshot(model))
            raise error

    with pytest.raises(error):
        loop()
    assert same(model.state_dict(), weights[1])
    assert not any(m._forward_pre_hooks for m in model.modules())
    assert sum(len(m._forward_hooks) for m in model.modules()) == 2  # of the batch norm layers
    assert not any("forward" in vars(m) for m in model.modules())
    assert list(reg.detach().state_dict()) == list(twin.state_dict())
    pickle.dumps(model)
    optimizer.step()  # a direct call works again


def test_the_averaged_weights_are_kept(three_class_split: Split, make_net: Net) -> None:
    model = make_net()
    reg, weights = train(model, three_class_split, "ema=1.0", steps_per_epoch=1)
    assert reg.eval_model() is not model
    assert same(model.state_dict(), weights[-1])
    expected, plain = make_net(), make_net()
    optimizer = torch.optim.Adam(plain.parameters(), lr=0.05)
    averaged = snapshot(plain)
    for _ in LOSSES:
        optimizer.zero_grad()
        F.cross_entropy(plain(three_class_split.train.x), three_class_split.train.y).backward()
        optimizer.step()
        averaged = {n: 0.5 * averaged[n] + 0.5 * w for n, w in snapshot(plain).items()}
    expected.load_state_dict(averaged)
    for parameter, average in zip(model.parameters(), expected.parameters(), strict=True):
        torch.testing.assert_close(parameter, average)


def test_early_stopping_keeps_the_best_average(three_class_split: Split, make_net: Net) -> None:
    model = make_net()
    _, weights = train(model, three_class_split, "ema=1.0, early_stopping=9", steps_per_epoch=1)
    assert same(model.state_dict(), weights[1])


def test_an_average_is_not_kept_before_its_first_epoch_is_completed(three_class_split: Split, make_net: Net) -> None:
    """Until then, the average of SWA is the initial weights."""
    model = make_net()
    reg, _ = train(model, three_class_split, "swa=0.0", losses=[0.9], epochs=2, steps_per_epoch=2)
    assert same(reg.eval_model().state_dict(), make_net().state_dict())
    assert not same(model.state_dict(), make_net().state_dict())


@pytest.mark.parametrize("recipe", ["ema=0.5", "swa=0.2", "lookahead(k=2)", "snapshot_ensemble=2"])
def test_batch_norm_statistics_are_recomputed_for_averaged_weights(
    recipe: str, three_class_split: Split, make_net: Net
) -> None:
    """They are the mean and variance over the training rows, at the averaged weights."""
    model, x = make_net(), three_class_split.train.x
    reg, _ = train(
        model,
        three_class_split,
        f"{recipe}, batch_norm",
        data=(x, three_class_split.train.y),
        epochs=5,
        steps_per_epoch=1,
    )
    network = reg.eval_model()
    members = list(network.members) if recipe.startswith("snapshot") else [network]
    for member in members:
        assert not member.training
        hidden = nn.functional.linear(x, member[0].weight, member[0].bias)  # type: ignore[index]
        torch.testing.assert_close(member[0].batch_norm.running_mean, hidden.mean(0))
        torch.testing.assert_close(member[0].batch_norm.running_var, hidden.var(0))
    if not recipe.startswith("snapshot"):
        assert same(model.state_dict(), network.state_dict())


def test_an_ensemble_predicts_the_same_as_that_of_fit(
    three_class_split: Split, make_net: Net, own_loop: Callable[..., Regularizer]
) -> None:
    run = fit(
        make_net(), three_class_split, "snapshot_ensemble=2", Training(epochs=4, batch_size=48, learning_rate=0.02)
    )
    reg = own_loop(model := make_net(), "snapshot_ensemble=2", torch.optim.Adam(model.parameters(), lr=0.02), 4)
    torch.testing.assert_close(
        reg.eval_model()(three_class_split.stop.x), run.outputs(three_class_split.stop.x).clone(), rtol=1e-4, atol=1e-5
    )
    assert len(reg.eval_model().members) == 2  # type: ignore[arg-type]


def test_training_beyond_the_announced_length_stays_at_its_end(three_class_split: Split, make_net: Net) -> None:
    model, dropout_rates = make_net(), []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    options = {"data": (three_class_split.train.x, three_class_split.train.y), "epochs": 2, "steps_per_epoch": 2}
    with attach(model, "dropout(0.8, schedule=linear), snapshot_ensemble=2", optimizer, **options) as reg:
        for _ in range(7):
            model(three_class_split.train.x).square().mean().backward()
            reg.step()
            dropout_rates.append(0.8 * (1 - reg.attachment.context.progress))
    assert dropout_rates[:3] == pytest.approx([0.6, 0.4, 0.2])
    assert all(0 < rate <= 0.2 for rate in dropout_rates[3:])
    assert len(reg.eval_model().members) == 2  # type: ignore[arg-type]


def test_scheduled_strengths_follow_the_steps(three_class_split: Split, make_net: Net) -> None:
    """The share of dropped units falls linearly over all steps (epochs × steps per epoch)."""
    model, x = nn.Sequential(nn.Linear(6, 400), nn.Linear(400, 3)), three_class_split.train.x
    shares, optimizer = [], torch.optim.SGD(model.parameters(), lr=1e-6)
    model[1].register_forward_hook(lambda m, args, out: shares.append(float((args[0] == 0).float().mean())))
    with attach(model, "dropout(0.8, schedule=linear)", optimizer, epochs=2, steps_per_epoch=2) as reg:
        for _ in range(4):
            model(x).sum().backward()
            reg.step()
        model(x)
    assert shares == pytest.approx([0.8, 0.6, 0.4, 0.2, 0.8 / 5], abs=0.01)


# ---- rows --------------------------------------------------------------------------------------------


@pytest.fixture
def unbalanced() -> tuple[Tensor, Tensor]:
    return torch.arange(12.0)[:, None], torch.tensor([0] * 9 + [1] * 2 + [2])


def test_rows_are_balanced_and_drawn_again_for_each_epoch(unbalanced: tuple[Tensor, Tensor]) -> None:
    reg = attach(nn.Linear(1, 3), "class_balance", data=unbalanced)
    first, second = reg.rows(), reg.rows()
    for rows in (first, second):
        assert unbalanced[1][rows].bincount().tolist() == [9, 9, 9]
        assert set(rows.tolist()) == set(range(12))
    assert not torch.equal(first, second)
    same_seed = attach(nn.Linear(1, 3), "class_balance", data=unbalanced)
    assert torch.equal(same_seed.rows(), first)
    assert not torch.equal(attach(nn.Linear(1, 3), "class_balance", data=unbalanced, seed=1).rows(), first)


def test_the_sampler_works_in_a_data_loader(unbalanced: tuple[Tensor, Tensor]) -> None:
    model, (x, y) = nn.Linear(1, 3), unbalanced
    reg = attach(model, "class_balance, l2=0.1", torch.optim.SGD(model.parameters()), data=unbalanced)
    loader = DataLoader(TensorDataset(x, y), batch_size=5, sampler=reg.sampler())
    assert len(reg.sampler()) == 27
    assert len(loader) == 6
    epochs = [torch.cat([ys for _, ys in loader]) for _ in range(2)]
    assert all(ys.bincount().tolist() == [9, 9, 9] for ys in epochs)
    assert not torch.equal(*epochs)
    model(x).sum().backward()
    reg.step()


# ---- several recipes ---------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_recipes_of_different_parts_of_a_network_detach_in_any_order(
    order: tuple[int, int], three_class_split: Split, make_net: Net
) -> None:
    model, x = make_net(), three_class_split.train.x
    plain = model(x)
    regs = [attach(half, "weight_noise=0.3") for half in (model[:2], model[2:])]
    for number in order:
        assert not torch.equal(model(x), plain)
        regs[number].detach()
    assert torch.equal(model(x), plain)
    assert not any("forward" in vars(m) for m in model.modules())


def test_recipes_can_be_attached_one_after_another(three_class_split: Split, make_net: Net) -> None:
    model = make_net()
    for recipe in ("l1=0.01, batch_norm", "l2=0.01, dropout=0.2", "layer_norm"):
        train(model, three_class_split, recipe)
    assert "0.batch_norm.weight" in model.state_dict()
    assert "0.layer_norm.weight" in model.state_dict()
    assert bool(torch.isfinite(model(three_class_split.train.x)).all())


def train_without_end_epoch(model: nn.Module, split: Split) -> None:
    with attach(model, "early_stopping=2", torch.optim.SGD(model.parameters(), lr=0.1)) as reg:
        F.cross_entropy(model(split.train.x), split.train.y).backward()
        reg.step()


def test_a_loop_that_never_calls_end_epoch_is_warned_about(three_class_split: Split, make_net: Net) -> None:
    model = make_net()
    with pytest.warns(UserWarning, match=r"early_stopping had no effect: call reg.end_epoch\(val_loss=…\) after"):
        train_without_end_epoch(model, three_class_split)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        attach(model, "early_stopping=2").close()
