"""Known issues of other libraries with training, each with its public thread, which must not occur here.

Issues 1 to 7 are in test_weights.py. Issues 18 and 19 (augmentation of single classes, and of the frames of a clip) are
tested with the augmentations, 21 and 22 (studies and verdicts) in tests/study and tests/diagnosis.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit import Checkpoints, Split, Training, attach, fit, load
from goodfit.errors import InputError
from goodfit.techniques import EarlyStopping, GaussianNoise
from goodfit.train.run import same, snapshot

Net = Callable[..., nn.Sequential]
SHORT = Training(epochs=3, batch_size=16, learning_rate=0.02)


@pytest.mark.parametrize("stddev", [0.0, 0.3, 1.7])
def test_08_gaussian_noise_is_missing_or_limited(stddev: float) -> None:
    """https://github.com/pytorch/pytorch/pull/173163; Keras forbids a stddev above 1."""
    model, x = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 1)), torch.ones(20_000, 3)
    nn.init.zeros_(model[0].weight)
    nn.init.constant_(model[0].bias, 2.0)
    received: list[Tensor] = []
    model[1].register_forward_hook(lambda module, args, output: received.append(args[0]))
    with attach(model, GaussianNoise(stddev, input_stddev=0.0)):
        model(x)
        model.eval()(x)
    assert float(received[0].detach().mean()) == pytest.approx(2.0, abs=0.04)
    assert float(received[0].detach().std()) == pytest.approx(stddev, abs=0.02)
    assert bool((received[1] == 2.0).all())


def test_09_dropout_is_active_in_evaluation(three_class_split: Split, make_net: Net) -> None:
    """https://github.com/speechbrain/speechbrain/issues/2888"""
    run = fit(
        make_net(), three_class_split, "dropout=0.5, gaussian_noise=0.5, weight_noise=0.5, drop_connect=0.5", SHORT
    )
    assert torch.equal(run.outputs(three_class_split.stop.x), run.outputs(three_class_split.stop.x))
    assert run.row["stop_loss"] == pytest.approx(
        float(F.cross_entropy(run.outputs(three_class_split.stop.x), three_class_split.stop.y)), rel=1e-5
    )
    assert run.metadata["warnings"] == []

    class AlwaysDropout(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.dropout(x, 0.2)

    (message,) = fit(nn.Sequential(AlwaysDropout(), make_net()), three_class_split, "", SHORT).metadata["warnings"]
    assert "differs between two passes in evaluation mode" in message
    assert "F.dropout without training=self.training" in message
    assert fit(nn.Sequential(nn.Dropout(0.2), make_net()), three_class_split, "", SHORT).metadata["warnings"] == []


def test_10_injected_layers_rename_weights(make_net: Net) -> None:
    """https://github.com/finegrain-ai/refiners/issues/226"""
    model, plain = make_net(), make_net()
    recipe = "dropout=0.5, gaussian_noise=0.1, weight_noise=0.1, noisy_linear, parametric_noise, manifold_mixup"
    with attach(model, recipe, torch.optim.SGD(model.parameters())):
        assert list(model.state_dict()) == list(plain.state_dict())
        assert [n for n, _ in model.named_modules()] == [n for n, _ in plain.named_modules()]
    with attach(model, "batch_norm"):  # its own weights are added
        assert [n for n in model.state_dict() if "batch_norm" not in n] == list(plain.state_dict())


@pytest.mark.parametrize("ends", ["to the end", "by Ctrl-C", "by an error"])
def test_11_best_weights_are_restored_only_after_early_stopping(
    ends: str, three_class_split: Split, make_net: Net
) -> None:
    """https://github.com/keras-team/keras/issues/12511, https://github.com/Lightning-AI/pytorch-lightning/issues/1415"""
    model, kept = make_net(), []
    reg = attach(model, "early_stopping=100", torch.optim.SGD(model.parameters(), lr=0.1))

    def loop() -> None:
        with reg:
            for loss in (0.9, 0.5, 0.7):
                F.cross_entropy(model(three_class_split.train.x), three_class_split.train.y).backward()
                reg.step()
                kept.append(snapshot(model))
                reg.end_epoch(val_loss=loss)
            if ends != "to the end":
                raise KeyboardInterrupt if ends == "by Ctrl-C" else RuntimeError("broken")

    if ends == "to the end":
        loop()
    else:
        with pytest.raises((KeyboardInterrupt, RuntimeError)):
            loop()
    assert same(model.state_dict(), kept[1])
    run = fit(
        make_net(), three_class_split, "early_stopping=100", Training(epochs=12, batch_size=16, learning_rate=0.1)
    )
    assert run.kept_epoch == 1 + int(np.argmin(run.history["stop_loss"])) < 12
    assert same(run.model.state_dict(), run.best)


class InterruptedAfterFourEpochs(Checkpoints):
    """Checkpoints that press Ctrl-C after the fourth epoch."""

    def save(self, run: Any, epoch: int, improved: bool, kept: Any) -> None:
        super().save(run, epoch, improved, kept)
        if epoch == 4:
            raise KeyboardInterrupt


def test_12_patience_best_and_order_are_forgotten_on_resume(
    three_class_split: Split, make_net: Net, tmp_path: Path
) -> None:
    """Lightning issues 1463 and 18727; https://github.com/huggingface/transformers/issues/17032"""
    recipe, settings = "early_stopping=3, dropout=0.2, l1=1e-3", Training(epochs=12, batch_size=16, learning_rate=0.1)
    uninterrupted = fit(make_net(), three_class_split, recipe, settings)
    assert fit(
        make_net(), three_class_split, recipe, settings, checkpoints=InterruptedAfterFourEpochs(tmp_path)
    ).interrupted
    resumed = fit(make_net(), three_class_split, recipe, settings, checkpoints=Checkpoints(tmp_path, resume=True))
    assert uninterrupted.best_epoch < uninterrupted.epochs < 12  # patience is counted across the interruption
    assert (resumed.epochs, resumed.best_epoch, resumed.stopped) == (
        uninterrupted.epochs,
        uninterrupted.best_epoch,
        uninterrupted.stopped,
    )
    assert same(resumed.last, uninterrupted.last)
    assert same(resumed.best, uninterrupted.best)


def test_13_a_relative_threshold_accepts_a_worse_score() -> None:
    """With skorch's default threshold, −1.00005 counts as better than −1."""
    early = EarlyStopping(monitor="stop_score", mode="max", min_delta=1e-4, patience=1)
    state, _ = early.observe(early.start(), 1, {"stop_score": -1.0})
    for worse in (-1.00005, -1.0, -0.99995):
        after, decision = early.observe(state, 2, {"stop_score": worse})
        assert decision.stop
        assert after["best"] == -1.0
    assert early.observe(state, 2, {"stop_score": -0.9998})[0]["best"] == -0.9998


def test_14_a_checkpoint_runs_code(three_class_split: Split, make_net: Net, tmp_path: Path) -> None:
    """https://github.com/Lightning-AI/pytorch-lightning/issues/21822, https://github.com/Lightning-AI/litgpt/issues/2189"""
    fit(make_net(), three_class_split, "l2=1e-3, ema=0.5, early_stopping=5", SHORT, checkpoints=Checkpoints(tmp_path))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".safetensors"}
    for path in files:
        assert all(isinstance(tensor, Tensor) for tensor in load_file(path).values())
        size = int.from_bytes(path.read_bytes()[:8], "little")
        header = json.loads(path.read_bytes()[8 : 8 + size])
        assert all(isinstance(text, str) for text in header.get("__metadata__", {}).values())


def test_15_averages_with_stale_batch_norm_or_averaged_per_part(
    three_class_split: Split, make_net: Net, to_double: Callable[[Split], Split]
) -> None:
    """Lightning issue 14866, https://github.com/mosaicml/composer/issues/624, https://github.com/SWivid/F5-TTS/issues/631"""
    run = fit(make_net(), three_class_split, "batch_norm, ema=1.0", SHORT)
    first = run.model[0]
    hidden = F.linear(three_class_split.train.x, first.weight, first.bias)
    torch.testing.assert_close(first.batch_norm.running_mean, hidden.mean(0).detach(), rtol=1e-4, atol=1e-5)
    runs = [
        fit(
            make_net().double(),
            to_double(three_class_split),
            "ema=1.0",
            Training(epochs=3, batch_size=32, accumulate=parts, optimizer="sgd"),
        )
        for parts in (1, 4)
    ]
    for name, w in runs[0].last.items():
        torch.testing.assert_close(runs[1].last[name], w, rtol=1e-9, atol=1e-11)


def test_16_sam_with_accumulation_clipping_and_batch_norm(
    three_class_split: Split, make_net: Net, to_double: Callable[[Split], Split]
) -> None:
    """https://github.com/davda54/sam/issues/11, https://github.com/davda54/sam/issues/79"""
    settings = {"epochs": 3, "batch_size": 32, "optimizer": "sgd", "learning_rate": 0.1}
    runs = [
        fit(
            make_net().double(),
            to_double(three_class_split),
            "sam=0.1, clip_grad_norm=0.5",
            Training(accumulate=parts, **settings),
        )
        for parts in (1, 4)
    ]
    for name, w in runs[0].last.items():
        torch.testing.assert_close(runs[1].last[name], w, rtol=1e-9, atol=1e-11)
    run = fit(make_net(), three_class_split, "sam=0.1, batch_norm", Training(**settings))
    assert int(run.last["0.batch_norm.num_batches_tracked"]) == 9  # 3 epochs of 3 steps, not twice as many


def test_17_augmentation_of_validation_rows_or_the_same_draw_in_all_epochs(
    three_class_split: Split, make_net: Net
) -> None:
    """chexnet issue 27, skorch issue 735, pytorch issue 5059, vision issue 2929; here with mixing.

    OnBatch techniques only receive training rows.
    """
    model, (x, y) = make_net(), (three_class_split.train.x, three_class_split.train.y)
    stop = three_class_split.stop.x.clone()
    with attach(model, "mixup=1.0", data=(x, y)) as reg:
        batches = []
        for _ in range(2):
            batches.append(reg.batch(x, y)[0])
            reg.end_epoch()
        assert not torch.equal(*batches)  # different draws in each epoch
        share = (batches[0] - x).norm(dim=1) / x.norm(dim=1)
        assert len(share.unique()) > len(x) / 2  # and for each row
    fit(make_net(), three_class_split, "mixup=1.0", SHORT)
    assert torch.equal(three_class_split.stop.x, stop)


def test_20_class_weights_change_smoothing_and_mixing_the_training_accuracy(
    two_class_split: Split, make_net: Net
) -> None:
    """https://github.com/pytorch/pytorch/issues/104776, https://github.com/vikasverma1077/manifold_mixup/issues/9"""
    run = fit(make_net(2), two_class_split, "mixup=1.0, label_smoothing=0.2, class_weights", SHORT)
    output = run.outputs(two_class_split.train.x)
    assert run.row["train_loss"] == pytest.approx(float(F.cross_entropy(output, two_class_split.train.y)), rel=1e-5)
    assert run.row["train_accuracy"] == pytest.approx(
        float((output.argmax(1) == two_class_split.train.y).float().mean())
    )
    assert run.row["batch_loss"] != pytest.approx(run.row["train_loss"], rel=0.05)
    # weights apply to rows and do not change the smoothed targets
    x, y = two_class_split.train.x[:6], torch.tensor([0, 0, 0, 0, 1, 1])
    model = make_net(2)
    with attach(model, "label_smoothing=0.2, class_weights", data=(x, y)) as reg:
        _, soft = reg.batch(x, y)
        rows = -(model(x).log_softmax(1) * soft).sum(1)
        cost = rows.mean() + reg.penalty(rows)
    weights = 6 / (2 * torch.tensor([4.0, 2.0]))  # balanced
    torch.testing.assert_close(soft, F.one_hot(y, 2) * 0.8 + 0.1)
    torch.testing.assert_close(cost, (rows * (soft @ weights)).mean())


def test_23_loading_takes_longer_than_training() -> None:
    """https://github.com/pytorch/pytorch/issues/4959: tables are tensors in memory, and one index selects a batch."""
    split = load("iris").split()
    for part in split.parts.values():
        assert isinstance(part.x, Tensor)
        assert part.x.is_contiguous()


def test_24_a_last_batch_of_one_with_batch_norm(three_class_split: Split, make_net: Net) -> None:
    """https://github.com/pytorch/pytorch/issues/7716"""
    assert len(three_class_split.train) % 19 == 1
    run = fit(make_net(), three_class_split, "batch_norm", Training(epochs=2, batch_size=19))
    assert int(run.last["0.batch_norm.num_batches_tracked"]) == 2 * 5  # the single row joins the batch before it
    assert bool(torch.isfinite(run.outputs(three_class_split.stop.x)).all())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match="batch norm needs at least two rows at a time"):
            fit(make_net(), three_class_split, "batch_norm", Training(epochs=1, batch_size=1))
