"""Processes end with their parent, even if it is killed."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from joblib import Parallel, delayed

from goodfit.processes import begin_worker, die_with_parent

linux = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
SLOW_RUNS = """
import torch
from goodfit import Training, fit_many
from goodfit.testing import data
from goodfit.train.population import scheduler

scheduler.MIN_SECONDS = 0.0
torch.set_num_threads(2)
settings = [Training(epochs=epochs) for epochs in (1, 10**7, 10**7)]
fit_many("mlp:4", data.make_classification(2), [""] * 3, settings, population=False)
"""


@linux
def test_processes_of_runs_that_are_trained_one_by_one(
    children_of: Callable[[int], list[int]], wait_for_end: Callable[[Sequence[int]], None]
) -> None:
    with subprocess.Popen([sys.executable, "-c", SLOW_RUNS], stderr=subprocess.DEVNULL) as started:
        try:
            workers: list[int] = []
            while len(workers) < 2:
                assert started.poll() is None
                workers = [child for child in children_of(started.pid) if trains(child)]
            helpers = children_of(started.pid)
        finally:
            started.kill()
    wait_for_end(helpers)


def trains(process: int) -> bool:
    """Whether the process has started the thread that watches its parent, which it does before it trains."""
    try:
        loky = "LokyProcess" in Path(f"/proc/{process}/cmdline").read_text()
        return loky and len(list(Path(f"/proc/{process}/task").iterdir())) > 1
    except OSError:
        return False


@linux
def test_a_process_whose_parent_has_already_ended_ends() -> None:
    child = os.fork()
    if not child:
        die_with_parent(1 << 30)
        os._exit(0)  # not reached
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def test_a_process_of_another_kind_is_not_watched() -> None:
    before = threading.active_count(), gc.get_freeze_count()
    begin_worker(1 << 30)
    assert (threading.active_count(), gc.get_freeze_count()) == before


def frozen_objects(parent: int) -> int:
    begin_worker(parent)
    return gc.get_freeze_count()


@linux
def test_what_a_worker_has_imported_is_not_collected() -> None:
    assert min(Parallel(n_jobs=2)(delayed(frozen_objects)(os.getpid()) for _ in range(2))) > 1000
