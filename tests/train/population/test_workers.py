"""Iterators side by side: everything arrives, and nothing hangs where one of them fails or the user interrupts."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import torch

from goodfit.train.population import workers
from goodfit.train.population.workers import WorkerDiedError, WorkQueue, available_workers, run_in_parallel

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux alone")


def counting(start: int, count: int, stop: Any, met: Any = None) -> Iterator[int]:
    if met:
        met.wait(10)  # all of them run at the same time, or none gets on
    for number in range(count):
        if stop.is_set():
            break
        yield start + number
    yield -start


def failing(error: BaseException) -> Iterator[int]:
    yield 0
    yield 1
    raise error


def shared(count: int = 0) -> WorkQueue[int]:
    return WorkQueue(range(count), 2)


def test_everything_comes_in_the_order_of_its_own_lane() -> None:
    stop, met, before = shared().stop, multiprocessing.get_context("fork").Barrier(3), torch.get_num_threads()
    given = list(run_in_parallel([partial(counting, 10 * lane, 5, stop, met) for lane in range(3)], stop))
    for lane in range(3):
        assert [n for number, n in given if number == lane] == [*range(10 * lane, 10 * lane + 5), -10 * lane]
    assert torch.get_num_threads() == before


def test_one_lane_runs_in_the_process_that_asks() -> None:
    def who() -> Iterator[int]:
        yield os.getpid()

    assert list(run_in_parallel([who], WorkQueue([], 1).stop)) == [(0, os.getpid())]


def test_lanes_compute_on_one_core_each() -> None:
    def threads() -> Iterator[int]:
        yield torch.get_num_threads()
        yield int((torch.ones(300, 300) @ torch.ones(300, 300))[0, 0])

    assert sorted(run_in_parallel([threads] * 2, shared().stop)) == [(0, 1), (0, 300), (1, 1), (1, 300)]


@pytest.mark.parametrize("lanes", [1, 2])
def test_a_piece_of_work_is_taken_once(lanes: int) -> None:
    work = WorkQueue(range(100), lanes)

    def taking() -> Iterator[int]:
        while taken := work.take(7):
            assert len(work.left()) <= 93
            yield from taken

    assert sorted(n for _, n in run_in_parallel([taking] * lanes, work.stop)) == list(range(100))
    assert list(work.left()) == []


def test_an_error_ends_the_others_and_is_raised() -> None:
    stop, found = shared().stop, []
    given = run_in_parallel([partial(failing, ValueError("lane")), partial(counting, 100, 10**9, stop)], stop)
    with pytest.raises(ValueError, match="lane"):
        found.extend(n for _, n in given)
    assert stop.is_set()
    assert [n for n in found if -100 < n < 100] == [0, 1]
    assert found[-1] == -100  # what the other one gave in the end


def test_an_error_that_cannot_be_packed_tells_its_text() -> None:
    class OwnError(Exception):
        pass

    stop = shared().stop
    with pytest.raises(RuntimeError, match="OwnError: mine"):
        list(run_in_parallel([partial(failing, OwnError("mine")), partial(counting, 0, 3, stop)], stop))


def test_a_process_that_is_killed_is_noticed() -> None:
    def dying() -> Iterator[int]:
        yield 1
        os.kill(os.getpid(), signal.SIGKILL)
        yield 2

    stop, found = shared().stop, []
    with pytest.raises(WorkerDiedError, match="code -9"):
        found.extend(n for _, n in run_in_parallel([dying, partial(counting, 100, 900, stop)], stop))
    assert sorted(found) == [-100, 1, *range(100, 1000)]  # the other one goes on


def test_ctrl_c_lets_the_lanes_end() -> None:
    stop, found = shared().stop, []

    def interrupted() -> Iterator[int]:
        yield 1
        os.kill(os.getppid(), signal.SIGINT)
        stop.wait(10)
        yield 2

    def collect() -> None:
        for _, n in run_in_parallel([interrupted, partial(counting, 0, 0, stop)], stop):
            time.sleep(0.05)  # wherever this process is at that moment
            found.append(n)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            collect()
    finally:
        signal.signal(signal.SIGINT, before)
    assert sorted(found) == [0, 1, 2]


def test_ctrl_c_in_the_terminal_leaves_the_lanes_alone() -> None:
    def told() -> Iterator[int]:
        os.kill(os.getpid(), signal.SIGINT)
        yield 1

    assert sorted(run_in_parallel([told, told], shared().stop)) == [(0, 1), (1, 1)]


def test_giving_up_the_iterator_ends_the_processes() -> None:
    stop = shared().stop
    given = run_in_parallel([partial(counting, lane, 10**9, stop) for lane in range(2)], stop)
    next(given)
    given.close()  # type: ignore[attr-defined]
    assert stop.is_set()
    assert not [p for p in multiprocessing.active_children() if p.name.startswith("goodfit-")]


def test_a_lane_opens_no_lanes_of_its_own() -> None:
    def inside() -> Iterator[int]:
        yield available_workers()

    assert list(run_in_parallel([inside] * 2, shared().stop)) in ([(0, 1), (1, 1)], [(1, 1), (0, 1)])


def test_no_lanes_where_processes_cannot_be_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers.sys, "platform", "darwin")
    assert available_workers() == 1
