"""However a program is called, mapped, as a graph or compiled, its results are the same."""

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
    "a step of two passes": ["sam=0.1, clip_grad_norm=1", "sam=0.2, l2=0.1"],
    "steps that differ": ["lookahead(k=3)", "lookahead(k=3, step_size=0.8), dropout=0.2"],
    "the user's norm": ["fgsm=0.1", "fgsm=0.2, weight_decay=0.1"],
}
# The bias in front of a batch norm has a gradient of rounding errors, of which Adam makes whole steps.
CASES = [(name, o) for name in RECIPES for o in ("adam", "sgd") if (name, o) != ("the user's norm", "adam")]


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Any]]:
    """What was written down as a graph, and what came out of compiling it."""
    found: dict[str, list[Any]] = {}

    def noting(name: str) -> Callable[..., Any]:
        call = getattr(calls, name)

        def note(*args: Any) -> Any:
            found.setdefault(name, []).append(call(*args))
            return found[name][-1]

        return note

    for name in ("trace", "compile_graph"):
        monkeypatch.setattr(calls, name, noting(name))
    return found


def made(net: Callable[..., nn.Sequential], recipes: str) -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = net(gain=1.5)
        if recipes == "the user's norm":
            model.insert(3, nn.BatchNorm1d(8))
    return model.double()


def forced(monkeypatch: pytest.MonkeyPatch, *, compiling: bool) -> None:
    """Decide after two calls, as if nothing had to be won back."""
    wait = -1.0 if compiling else math.inf
    programs: dict[str, Any] = {}
    for name, value in {
        "TIMED": 2,
        "TRACE_SECONDS": -1.0,
        "START_SECONDS": 0.0,
        "COMPILE_SECONDS": wait,
        "CACHED_SECONDS": wait,
        "PROGRAMS": programs,
    }.items():
        monkeypatch.setattr(calls, name, value)
    monkeypatch.setattr(graph, "PROGRAMS", programs)


def trained(model: nn.Module, data: Split, recipes: list[str], optimizer: str) -> list[Run]:
    training = Training.of(TRAINING.values() | {"optimizer": optimizer})
    return together(model, data, recipes, training, seeds=(0, 1))  # type: ignore[return-value]


@pytest.mark.parametrize(("name", "optimizer"), CASES)
def test_graph(
    name: str,
    optimizer: str,
    make_net: Any,
    data: Split,
    equal: Any,
    seen: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = made(make_net, name)
    mapped = trained(model, data, RECIPES[name], optimizer)
    assert not seen
    forced(monkeypatch, compiling=False)
    runs = trained(model, data, RECIPES[name], optimizer)
    assert len(seen["trace"]) >= 2  # for either size of batch
    assert "compile_graph" not in seen
    equal(runs, mapped)


def test_a_graph_has_room_for_members_that_leave(
    make_net: Any, data: Split, equal: Any, seen: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, recipes = made(make_net, ""), ["early_stopping=1", "early_stopping=1, dropout=0.5", "l2=0.1", "max_norm=1"]
    training = Training(epochs=12, batch_size=16, learning_rate=0.05)
    mapped: Any = together(model, data, recipes, training, seeds=(0, 1, 2))
    ends = {run.epochs for run in mapped}
    assert len(ends) > 3
    forced(monkeypatch, compiling=False)
    runs = together(model, data, recipes, training, seeds=(0, 1, 2))
    assert 0 < len(seen["trace"]) < 2 * len(ends)  # a step and an evaluation, were there no room
    equal(runs, mapped)


def test_a_graph_for_one_size_of_batch_alone(
    make_net: Any, data: Split, equal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, recipes = made(make_net, ""), ["early_stopping=1", "early_stopping=1, dropout=0.5", "l2=0.1", "max_norm=1"]
    training = Training(epochs=12, batch_size=20, learning_rate=0.05)
    mapped: Any = together(model, data, recipes, training, seeds=(0, 1, 2))
    assert len({run.epochs for run in mapped}) > 3
    forced(monkeypatch, compiling=False)
    settle, sizes = calls.Calls._replace_if_faster, set()

    def full_only(calls: Any, form: Any, name: Any, function: Any, given: Any, way: Any) -> None:
        if name == "step" and given[-1].leaves[0].shape[1] == 20:
            settle(calls, form, name, function, given, way)
            sizes.add(20)

    monkeypatch.setattr(calls.Calls, "_replace_if_faster", full_only)
    equal(together(model, data, recipes, training, seeds=(0, 1, 2)), mapped)
    assert sizes == {20}


def test_members_that_leave_may_change_what_steps_are_given(
    make_net: Any, data: Split, equal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, recipes = made(make_net, ""), ["dropout(0.5, schedule='cosine'), early_stopping=1", "dropout=0.3"]
    training = Training(epochs=12, batch_size=16, learning_rate=0.05)
    mapped: Any = together(model, data, recipes, training, seeds=(0, 1))
    assert max(run.epochs for run in mapped[:2]) < 12
    forced(monkeypatch, compiling=False)
    equal(together(model, data, recipes, training, seeds=(0, 1)), mapped)


def test_no_graph_where_little_lies_ahead(make_net: Any, data: Split, seen: dict[str, Any]) -> None:
    trained(made(make_net, ""), data, [""], "adam")
    assert not seen


def test_what_no_compiler_takes_goes_on_as_a_graph(
    make_net: Any, data: Split, equal: Any, seen: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise RuntimeError("no compiler here")

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("torch._inductor.standalone_compile", refuse)
    model = made(make_net, "")
    mapped = trained(model, data, ["dropout=0.3"], "adam")
    forced(monkeypatch, compiling=True)
    runs = trained(model, data, ["dropout=0.3"], "adam")
    assert seen["compile_graph"] == [None] * len(seen["trace"])
    equal(runs, mapped)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # torch's, of its own parts
@pytest.mark.skipif(not (shutil.which("g++") or shutil.which("c++")), reason="there is no C++ compiler")
def test_compiled(
    make_net: Any, data: Split, equal: Any, seen: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    model, recipes = made(make_net, ""), ["dropout=0.3, l1=0.01, max_norm=1", "gaussian_noise=0.1"]
    mapped = trained(model, data, recipes, "adam")
    forced(monkeypatch, compiling=True)
    runs = trained(model, data, recipes, "adam")
    assert len(seen["compile_graph"]) >= 4  # a step and an evaluation, each for two numbers of rows
    assert None not in seen["compile_graph"]
    equal(runs, mapped)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux alone")
@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("killed", [False, True])
def test_members_are_trained_in_processes_side_by_side(
    killed: bool, make_net: Any, data: Split, equal: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, recipes = made(make_net, ""), ["early_stopping=1, dropout=0.5", "l2=0.1, dropout=0.2", "max_norm=1"]
    training = Training(epochs=8, batch_size=20, learning_rate=0.05)
    mapped: Any = together(model, data, recipes, training, seeds=(0, 1, 2))
    forced(monkeypatch, compiling=True)
    monkeypatch.setattr(calls, "compile_graph", lambda graph, *_: graph)  # no need of a compiler here
    monkeypatch.setattr(population, "max_members", lambda *_: 3)
    monkeypatch.setattr(population, "SHORT_SECONDS", 0.0)
    monkeypatch.setattr(population, "available_workers", lambda: 2)
    lanes: list[int] = []
    begin, epoch, here = scheduler.run_in_parallel, MemberBatch.train_epoch, os.getpid()

    def noting(makers: Any, stop: Any) -> Any:
        lanes.append(len(makers))
        return begin(makers, stop)

    def dying(crowd: MemberBatch) -> None:
        if os.getpid() != here and any(m.number == 5 and m.epoch == 2 for m in crowd.members):
            os.kill(os.getpid(), signal.SIGKILL)
        epoch(crowd)

    monkeypatch.setattr(scheduler, "run_in_parallel", noting)
    if killed:
        monkeypatch.setattr(MemberBatch, "train_epoch", dying)
    runs = together(model, data, recipes, training, seeds=(0, 1, 2))
    assert lanes == [2, 1] if killed else [2]
    assert torch.get_num_threads() == 2
    equal(runs, mapped)
