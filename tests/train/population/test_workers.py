"""Parallel workers: all values arrive, and nothing hangs if a worker fails or the user interrupts."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import pytest
import torch

from goodfit.train.population import workers as workers_module
from goodfit.train.population.workers import WorkerDiedError, WorkQueue, available_workers, run_in_parallel

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")


def counting(start: int, count: int, stop: Any, barrier: Any = None) -> Iterator[int]:
    """`count` numbers from `start` on, and in the end −start."""
    if barrier:
        barrier.wait(10)  # fails unless all workers run at the same time
    for number in range(count):
        if stop.is_set():
            break
        yield start + number
    yield -start


def failing(error: BaseException) -> Iterator[int]:
    yield 0
    yield 1
    raise error


def work_queue(count: int = 0) -> WorkQueue[int]:
    return WorkQueue(range(count), 2)


def test_values_arrive_in_the_order_of_their_worker() -> None:
    stop, barrier, before = work_queue().stop, multiprocessing.get_context("fork").Barrier(3), torch.get_num_threads()
    values = list(run_in_parallel([partial(counting, 10 * worker, 5, stop, barrier) for worker in range(3)], stop))
    for worker in range(3):
        assert [n for number, n in values if number == worker] == [*range(10 * worker, 10 * worker + 5), -10 * worker]
    assert torch.get_num_threads() == before


def test_a_single_iterator_runs_in_this_process() -> None:
    def process_id() -> Iterator[int]:
        yield os.getpid()

    assert list(run_in_parallel([process_id], WorkQueue([], 1).stop)) == [(0, os.getpid())]


def test_a_worker_uses_one_thread() -> None:
    def threads() -> Iterator[int]:
        yield torch.get_num_threads()
        yield int((torch.ones(300, 300) @ torch.ones(300, 300))[0, 0])

    assert sorted(run_in_parallel([threads] * 2, work_queue().stop)) == [(0, 1), (0, 300), (1, 1), (1, 300)]


@pytest.mark.parametrize("workers", [1, 2])
def test_an_item_is_taken_once(workers: int) -> None:
    queue = WorkQueue(range(100), workers)

    def taking() -> Iterator[int]:
        while items := queue.take(7):
            assert len(queue.remaining()) <= 93
            yield from items

    assert sorted(n for _, n in run_in_parallel([taking] * workers, queue.stop)) == list(range(100))
    assert list(queue.remaining()) == []


def test_an_exception_stops_the_other_workers_and_is_raised() -> None:
    stop, received = work_queue().stop, []
    values = run_in_parallel([partial(failing, ValueError("in a worker")), partial(counting, 100, 10**9, stop)], stop)
    with pytest.raises(ValueError, match="in a worker"):
        received.extend(n for _, n in values)
    assert stop.is_set()
    assert [n for n in received if -100 < n < 100] == [0, 1]
    assert received[-1] == -100  # the last value of the other worker


def test_an_exception_that_cannot_be_pickled_is_raised_as_a_runtime_error() -> None:
    class OwnError(Exception):
        pass

    stop = work_queue().stop
    with pytest.raises(RuntimeError, match="OwnError: mine"):
        list(run_in_parallel([partial(failing, OwnError("mine")), partial(counting, 0, 3, stop)], stop))


def test_a_killed_worker_is_an_error_after_the_values_of_the_others() -> None:
    def dying() -> Iterator[int]:
        yield 1
        os.kill(os.getpid(), signal.SIGKILL)
        yield 2

    stop, received = work_queue().stop, []
    with pytest.raises(WorkerDiedError, match="code -9"):
        received.extend(n for _, n in run_in_parallel([dying, partial(counting, 100, 900, stop)], stop))
    assert sorted(received) == [-100, 1, *range(100, 1000)]  # the other worker continues


def test_ctrl_c_is_raised_after_the_workers_have_ended() -> None:
    stop, received = work_queue().stop, []

    def interrupted() -> Iterator[int]:
        yield 1
        os.kill(os.getppid(), signal.SIGINT)
        stop.wait(10)
        yield 2

    def collect() -> None:
        for _, n in run_in_parallel([interrupted, partial(counting, 0, 0, stop)], stop):
            time.sleep(0.05)  # the interrupt may come here
            received.append(n)

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            collect()
    finally:
        signal.signal(signal.SIGINT, before)
    assert sorted(received) == [0, 1, 2]


def test_workers_ignore_signals_to_all_processes() -> None:
    def interrupted() -> Iterator[int]:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), number)
        yield 1

    assert sorted(run_in_parallel([interrupted, interrupted], work_queue().stop)) == [(0, 1), (1, 1)]


BUSY_WORKERS = """
import time

from goodfit.train.population.workers import WorkQueue, run_in_parallel

def large_values():
    while True:
        yield bytes(100_000)  # more than a pipe holds

def no_values():
    time.sleep(600)
    yield b""

values = run_in_parallel([large_values, large_values, no_values], WorkQueue([], 3).stop)
next(values)
print("started", flush=True)
input()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_workers_end_with_their_parent(
    children_of: Callable[[int], list[int]], wait_for_end: Callable[[Sequence[int]], None], number: signal.Signals
) -> None:
    """Even if they wait until the parent reads a value, or send none."""
    command = [sys.executable, "-c", BUSY_WORKERS]
    restore = partial(signal.signal, signal.SIGHUP, signal.SIG_DFL)  # the tests may run with `nohup`
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=restore) as started:
        assert started.stdout is not None
        assert started.stdout.readline() == b"started\n"
        workers = children_of(started.pid)
        started.send_signal(number)
        started.wait(30)
    assert len(workers) == 3
    wait_for_end(workers)


def test_a_worker_ends_when_the_main_process_stops_reading() -> None:
    """Although the other workers, which were started later, still run."""
    stop, receivers = work_queue().stop, {}
    workers_module._start([partial(counting, 0, 10**9, stop), partial(stop.wait, 60)], receivers)
    try:
        (receiver, (_, first)), *_ = receivers.items()
        receiver.close()
        first.join(30)
        assert first.exitcode == 0
    finally:
        for _, process in receivers.values():
            process.kill()
            process.join()


def test_closing_the_iterator_ends_the_workers() -> None:
    stop = work_queue().stop
    values = run_in_parallel([partial(counting, worker, 10**9, stop) for worker in range(2)], stop)
    next(values)
    values.close()  # type: ignore[attr-defined]
    assert stop.is_set()
    assert not [p for p in multiprocessing.active_children() if p.name.startswith("goodfit-")]


def test_a_worker_starts_no_workers() -> None:
    def count_workers() -> Iterator[int]:
        yield available_workers()

    assert list(run_in_parallel([count_workers] * 2, work_queue().stop)) in ([(0, 1), (1, 1)], [(1, 1), (0, 1)])


def test_no_workers_where_processes_cannot_be_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_module.sys, "platform", "darwin")
    assert available_workers() == 1
