"""Checkpoints: the files of a run, and resuming from them with the same bits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.serialization import read_tensors, write_tensors
from goodfit.train.checkpoint import Checkpoints
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.run import Run, same

Net = Callable[..., nn.Sequential]
RECIPE = "batch_norm, dropout=0.3, mixup=0.4, l1=1e-3, weight_decay=0.1, ema=0.5, early_stopping=30"


def training(epochs: int, **more: object) -> Training:
    return Training(**{"epochs": epochs, "batch_size": 16, "learning_rate": 0.05} | more)


def assert_equal(a: Run, b: Run) -> None:
    """Assert that two runs are equal to the bit, apart from the seconds."""
    assert same(a.last, b.last)
    assert same(a.best, b.best)
    assert same(a.model.state_dict(), b.model.state_dict())
    columns = [c for c in a.history.columns if c != "seconds"]
    assert [a.history[c] for c in columns] == [b.history[c] for c in columns]
    assert (a.best_epoch, a.kept, a.stopped) == (b.best_epoch, b.kept, b.stopped)


def interrupted_at(call: int) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """The cross entropy, which simulates Ctrl-C in the training batch of this number."""
    left = [call]

    def loss(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        if torch.is_grad_enabled():
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt
        if y.is_floating_point():
            return -(torch.log_softmax(output, 1) * y).sum(1)
        return F.cross_entropy(output, y, reduction="none")

    return loss


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_a_resumed_run_equals_an_uninterrupted_one_to_the_bit(
    optimizer: str, three_class_split: Split, make_net: Net, tmp_path: Path
) -> None:
    model = nn.Sequential(nn.Dropout(0.1), make_net())  # its dropout draws from torch's own generator
    uninterrupted = fit(model, three_class_split, RECIPE, training(7, optimizer=optimizer), seed=2)
    fit(model, three_class_split, RECIPE, training(3, optimizer=optimizer), seed=2, checkpoints=Checkpoints(tmp_path))
    for epochs in (4, 7):
        resume = Checkpoints(tmp_path, resume=True)
        run = fit(model, three_class_split, RECIPE, training(epochs, optimizer=optimizer), seed=2, checkpoints=resume)
        assert run.epochs == epochs
    assert_equal(uninterrupted, run)


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_resuming_after_ctrl_c_in_the_middle_of_an_epoch(
    schedule: str, three_class_split: Split, make_net: Net, tmp_path: Path
) -> None:
    settings = training(6, schedule=schedule, warmup=0.2)
    uninterrupted = fit(make_net(), three_class_split, RECIPE, settings, loss=interrupted_at(10_000))
    interrupted = fit(
        make_net(),
        three_class_split,
        RECIPE,
        settings,
        loss=interrupted_at(3 * 6 + 4),
        checkpoints=Checkpoints(tmp_path),
    )
    assert interrupted.interrupted
    assert interrupted.epochs == 3
    resume = Checkpoints(tmp_path, resume=True)
    assert_equal(
        uninterrupted,
        fit(make_net(), three_class_split, RECIPE, settings, loss=interrupted_at(10_000), checkpoints=resume),
    )


def test_resuming_restores_patience_and_the_best_epoch(three_class_split: Split, make_net: Net, tmp_path: Path) -> None:
    uninterrupted = fit(make_net(), three_class_split, "early_stopping=4", training(60))
    assert uninterrupted.stopped
    for epochs in range(uninterrupted.best_epoch, uninterrupted.epochs):
        folder = tmp_path / str(epochs)
        fit(make_net(), three_class_split, "early_stopping=4", training(epochs), checkpoints=Checkpoints(folder))
        resume = Checkpoints(folder, resume=True)
        assert_equal(
            uninterrupted, fit(make_net(), three_class_split, "early_stopping=4", training(60), checkpoints=resume)
        )
    finished = fit(
        make_net(), three_class_split, "early_stopping=4", training(60), checkpoints=resume
    )  # no more epochs
    assert_equal(uninterrupted, finished)


def test_resume_without_an_earlier_run_starts_one(three_class_split: Split, make_net: Net, tmp_path: Path) -> None:
    run = fit(make_net(), three_class_split, "", training(2), checkpoints=Checkpoints(tmp_path, resume=True))
    assert_equal(run, fit(make_net(), three_class_split, "", training(2)))


def test_best_last_and_every_n(three_class_split: Split, make_net: Net, tmp_path: Path) -> None:
    run = fit(
        make_net(),
        three_class_split,
        "ema=0.3, early_stopping=50",
        training(7),
        checkpoints=Checkpoints(tmp_path, every=3),
    )
    names = {"best", "last", "state", "epoch-0003", "epoch-0006"}
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.safetensors" for name in names}
    best, metadata = read_tensors(tmp_path / "best.safetensors")
    assert same(best, run.best)
    assert metadata == {"epoch": run.best_epoch}
    last, metadata = read_tensors(tmp_path / "last.safetensors")
    assert same(last, run.last)
    assert metadata == {"epoch": 7}
    third, _ = read_tensors(tmp_path / "epoch-0003.safetensors")
    assert same(third, fit(make_net(), three_class_split, "ema=0.3", training(3)).last)


def test_an_earlier_run_is_overwritten_only_with_force(three_class_split: Split, make_net: Net, tmp_path: Path) -> None:
    first = fit(make_net(), three_class_split, "", training(3), checkpoints=Checkpoints(tmp_path))
    with pytest.raises(
        InputError, match="holds an earlier run; resume it with resume=True or overwrite it with force=True"
    ):
        Checkpoints(tmp_path)
    run = fit(make_net(), three_class_split, "", training(1), seed=1, checkpoints=Checkpoints(tmp_path, force=True))
    assert run.epochs == 1
    assert same(read_tensors(tmp_path / "last.safetensors")[0], run.last)
    assert not same(run.last, first.last)
    with pytest.raises(InputError, match="Checkpoints: every must be a whole number of at least 0, got every=-1"):
        Checkpoints(tmp_path / "new", every=-1)
    with pytest.raises(InputError, match="every must be a whole number of at least 0, got every=0\\.5"):
        Checkpoints(tmp_path / "new", every=0.5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"recipe": "l2=0.2"}, "resume: recipe must be 'l2=0.1' as in .*, got 'l2=0.2'"),
        ({"seed": 1}, "resume: seed must be 0 as in .*, got 1"),
        ({"training": training(4, batch_size=8)}, "resume: training must be "),
        ({"training": training(4, learning_rate=0.1)}, "resume: training must be "),
    ],
)
def test_resuming_another_run_is_refused(
    change: dict[str, object],
    error: str,
    three_class_split: Split,
    two_class_split: Split,
    make_net: Net,
    tmp_path: Path,
) -> None:
    usual = {"recipe": "l2=0.1", "training": training(2), "seed": 0}
    fit(make_net(), three_class_split, **usual, checkpoints=Checkpoints(tmp_path))  # type: ignore[arg-type]
    resume = Checkpoints(tmp_path, resume=True)
    with pytest.raises(InputError, match=error):
        fit(make_net(), three_class_split, **(usual | change), checkpoints=resume)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="resume: the network must be as before"):
        fit(make_net(hidden=9), three_class_split, **usual, checkpoints=resume)  # type: ignore[arg-type]


def test_a_damaged_file_is_named(three_class_split: Split, make_net: Net, tmp_path: Path) -> None:
    fit(make_net(), three_class_split, "", training(1), checkpoints=Checkpoints(tmp_path))
    state = tmp_path / "state.safetensors"
    content = state.read_bytes()
    resume = Checkpoints(tmp_path, resume=True)
    for damaged in (b"", content[:50], content[:-10], b"\x80\x04" + content):  # the last one begins like a pickle
        state.write_bytes(damaged)
        with pytest.raises(InputError, match=r"state.safetensors' is damaged"):
            fit(make_net(), three_class_split, "", training(2), checkpoints=resume)
    write_tensors(state, {"a": torch.zeros(1)})
    with pytest.raises(InputError, match="must be the state of a run, got another file; choose its folder"):
        fit(make_net(), three_class_split, "", training(2), checkpoints=resume)


def test_an_infinite_stop_loss_can_be_stored(three_class_split: Split, make_net: Net, tmp_path: Path) -> None:
    def infinite_in_evaluation(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        loss = F.cross_entropy(output, y, reduction="none")
        return loss if torch.is_grad_enabled() else loss / 0

    fit(
        make_net(),
        three_class_split,
        "early_stopping=9",
        training(2),
        loss=infinite_in_evaluation,
        checkpoints=Checkpoints(tmp_path),
    )
    resume = Checkpoints(tmp_path, resume=True)
    run = fit(
        make_net(), three_class_split, "early_stopping=9", training(3), loss=infinite_in_evaluation, checkpoints=resume
    )
    assert run.history["stop_loss"] == [float("inf")] * 3
    assert (run.epochs, run.kept) == (3, "last")


def test_the_optimizer_of_a_network_in_channels_last_is_restored(tmp_path: Path, three_class_split: Split) -> None:
    """Files hold its state in the usual memory layout; torch's fused optimizers need that of the weights."""
    layers = nn.Unflatten(1, (2, 1, 3)), nn.Conv2d(2, 8, (1, 2)), nn.Flatten(), nn.Linear(16, 3)
    network = nn.Sequential(*layers).to(memory_format=torch.channels_last)
    settings = training(epochs=3)
    uninterrupted = fit(network, three_class_split, "", settings)
    first = Checkpoints(tmp_path / "run")
    assert fit(network, three_class_split, "", training(epochs=1), checkpoints=first).epochs == 1
    resumed = fit(network, three_class_split, "", settings, checkpoints=Checkpoints(tmp_path / "run", resume=True))
    assert_equal(uninterrupted, resumed)
