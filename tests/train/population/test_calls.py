"""Mapped, traced and compiled calls of a program give the same results."""

from __future__ import annotations

import math
import os
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from goodfit.data import Split
from goodfit.train.config import Training
from goodfit.train.fit_many import fit_many
from goodfit.train.population import calls, graph, population, scheduler
from goodfit.train.population.vectorized import MemberBatch
from goodfit.train.run import Run

together = partial(fit_many, population=True)
TRAINING = Training(epochs=4, batch_size=20, learning_rate=0.01)  # batches of 20, 20, 20, 20 and 16 rows
RECIPES = {
    "plain": [""],
    "noise and weights": ["dropout=0.3, gaussian_noise=0.1, l1=0.01, max_norm=1", "dropout(0.5, schedule='cosine')"],
    "two gradients per step": ["sam=0.1, clip_grad_norm=1", "sam=0.2, l2=0.1"],
    "steps that differ": ["lookahead(k=3)", "lookahead(k=3, step_size=0.8), dropout=0.2"],
    "batch norm": ["fgsm=0.1", "fgsm=0.2, weight_decay=0.1"],
}
# The bias in front of a batch norm has a gradient of rounding errors, which Adam would turn into whole steps.
CASES = [(name, o) for name in RECIPES for o in ("adam", "sgd") if (name, o) != ("batch norm", "adam")]


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """The results of each call of `trace` and of `compile_graph`, by name."""
    results: dict[str, list[Any]] = {}

    def recording(name: str) -> Callable[..., Any]:
        call = getattr(calls, name)

        def record(*args: Any) -> Any:
            results.setdefault(name, []).append(call(*args))
            return results[name][-1]

        return record

    for name in ("trace", "compile_graph"):
        monkeypatch.setattr(calls, name, recording(name))
    return results


def build(net: Callable[..., nn.Sequential], recipes: str) -> nn.Module:
    """A network in double precision, with batch norm for the recipes that test it."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = net(gain=1.5)
        if recipes == "batch norm":
            model.insert(3, nn.BatchNorm1d(8))
    return model.double()


def force(monkeypatch: pytest.MonkeyPatch, *, compiling: bool) -> None:
    """Trace every function after two calls, as if that cost nothing; compile it, or never."""
    cost = -1.0 if compiling else math.inf
    programs: dict[str, Any] = {}
    for name, value in {
        "TIMED": 2,
        "TRACE_SECONDS": -1.0,
        "START_SECONDS": 0.0,
        "COMPILE_SECONDS": cost,
        "CACHED_SECONDS": cost,
        "PROGRAMS": programs,
    }.items():
        monkeypatch.setattr(calls, name, value)
    monkeypatch.setattr(graph, "PROGRAMS", programs)


def train(model: nn.Module, data: Split, recipes: list[str], optimizer: str) -> list[Run]:
    training = Training.of(TRAINING.values() | {"optimizer": optimizer})
    return together(model, data, recipes, training, seeds=(0, 1))  # type: ignore[return-value]


@pytest.mark.parametrize(("name", "optimizer"), CASES)
def test_traced_calls_equal_mapped_ones(
    name: str,
    optimizer: str,
    make_net: Any,
    data: Split,
    assert_equal: Any,
    recorded: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = build(make_net, name)
    mapped = train(model, data, RECIPES[name], optimizer)
    assert not recorded
    force(monkeypatch, compiling=False)
    runs = train(model, data, RECIPES[name], optimizer)
    assert len(recorded["trace"]) >= 2  # one for each batch size
    assert "compile_graph" not in recorded
    assert_equal(runs, mapped)


def test_a_graph_is_reused_after_members_have_left(
    make_net: Any, data: Split, assert_equal: Any, recorded: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, recipes = build(make_net, ""), ["early_stopping=1", "early_stopping=1, dropout=0.5", "l2=0.1", "max_norm=1"]
    training = Training(epochs=12, batch_size=16, learning_rate=0.05)
    mapped: Any = together(model, data, recipes, training, seeds=(0, 1, 2))
    epochs = {run.epochs for run in mapped}
    assert len(epochs) > 3
    force(monkeypatch, compiling=False)
    runs = together(model, data, recipes, training, seeds=(0, 1, 2))
    assert (
        0 < len(recorded["trace"]) < 2 * len(epochs)
    )  # fewer than a step and an evaluation for each number of members
    assert_equal(runs, mapped)


def test_a_graph_for_one_batch_size_only(
    make_net: Any, data: Split, assert_equal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, recipes = build(make_net, ""), ["early_stopping=1", "early_stopping=1, dropout=0.5", "l2=0.1", "max_norm=1"]
    training = Training(epochs=12, batch_size=20, learning_rate=0.05)
    mapped: Any = together(model, data, recipes, training, seeds=(0, 1, 2))
    assert len({run.epochs for run in mapped}) > 3
    force(monkeypatch, compiling=False)
    replace, sizes = calls.Calls._replace_if_faster, set()

    def full_batches_only(calls: Any, record: Any, name: Any, function: Any, arguments: Any, hints: Any) -> None:
        if name == "step" and arguments[-1].leaves[0].shape[1] == 20:
            replace(calls, record, name, function, arguments, hints)
            sizes.add(20)

    monkeypatch.setattr(calls.Calls, "_replace_if_faster", full_batches_only)
    assert_equal(together(model, data, recipes, training, seeds=(0, 1, 2)), mapped)
    assert sizes == {20}


def test_members_that_leave_may_change_the_inputs_of_steps(
    make_net: Any, data: Split, assert_equal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, recipes = build(make_net, ""), ["dropout(0.5, schedule='cosine'), early_stopping=1", "dropout=0.3"]
    training = Training(epochs=12, batch_size=16, learning_rate=0.05)
    mapped: Any = together(model, data, recipes, training, seeds=(0, 1))
    assert max(run.epochs for run in mapped[:2]) < 12
    force(monkeypatch, compiling=False)
    assert_equal(together(model, data, recipes, training, seeds=(0, 1)), mapped)


def test_no_graph_if_few_steps_remain(make_net: Any, data: Split, recorded: dict[str, Any]) -> None:
    train(build(make_net, ""), data, [""], "adam")
    assert not recorded


def test_a_graph_is_used_if_compiling_fails(
    make_net: Any,
    data: Split,
    assert_equal: Any,
    recorded: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise RuntimeError("no compiler here")

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("torch._inductor.standalone_compile", refuse)
    model = build(make_net, "")
    mapped = train(model, data, ["dropout=0.3"], "adam")
    force(monkeypatch, compiling=True)
    runs = train(model, data, ["dropout=0.3"], "adam")
    assert recorded["compile_graph"] == [None] * len(recorded["trace"])
    assert_equal(runs, mapped)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # from inside torch
@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("c++")), reason="there is no C++ compiler")
def test_compiled_calls_equal_mapped_ones(
    make_net: Any,
    data: Split,
    assert_equal: Any,
    recorded: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    model, recipes = build(make_net, ""), ["dropout=0.3, l1=0.01, max_norm=1", "gaussian_noise=0.1"]
    mapped = train(model, data, recipes, "adam")
    force(monkeypatch, compiling=True)
    runs = train(model, data, recipes, "adam")
    assert len(recorded["compile_graph"]) >= 4  # a step and an evaluation, for two numbers of rows each
    assert None not in recorded["compile_graph"]
    assert_equal(runs, mapped)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")
@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("killed", [False, True])
def test_members_are_trained_by_several_workers(
    killed: bool, make_net: Any, data: Split, assert_equal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, recipes = build(make_net, ""), ["early_stopping=1, dropout=0.5", "l2=0.1, dropout=0.2", "max_norm=1"]
    training = Training(epochs=8, batch_size=20, learning_rate=0.05)
    mapped: Any = together(model, data, recipes, training, seeds=(0, 1, 2))
    force(monkeypatch, compiling=True)
    monkeypatch.setattr(calls, "compile_graph", lambda graph, *_: graph)  # the test needs no compiler
    monkeypatch.setattr(population, "max_members", lambda *_: 3)
    monkeypatch.setattr(population, "SHORT_SECONDS", 0.0)
    monkeypatch.setattr(population, "available_workers", lambda: 2)
    workers: list[int] = []
    run_in_parallel, train_epoch, main_process = scheduler.run_in_parallel, MemberBatch.train_epoch, os.getpid()

    def recording(iterators: Any, stop: Any) -> Any:
        workers.append(len(iterators))
        return run_in_parallel(iterators, stop)

    def dying(batch: MemberBatch) -> None:
        if os.getpid() != main_process and any(m.number == 5 and m.epoch == 2 for m in batch.members):
            os.kill(os.getpid(), signal.SIGKILL)
        train_epoch(batch)

    monkeypatch.setattr(scheduler, "run_in_parallel", recording)
    if killed:
        monkeypatch.setattr(MemberBatch, "train_epoch", dying)
    runs = together(model, data, recipes, training, seeds=(0, 1, 2))
    assert workers == ([2, 1] if killed else [2])
    assert torch.get_num_threads() == 2
    assert_equal(runs, mapped)
