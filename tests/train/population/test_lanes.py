"""Iterators side by side: everything arrives, and nothing hangs where one of them fails or the user interrupts."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest
import torch

from goodfit.train.population.lanes import side_by_side


def counting(start: int, count: int, stop: threading.Event, met: threading.Barrier | None = None) -> Iterator[int]:
    if met:
        met.wait(10)  # all of them run at the same time, or none gets on
    for number in range(count):
        if stop.is_set():
            break
        yield start + number
    yield -start


def failing(after: int) -> Iterator[int]:
    yield from range(after)
    raise ValueError("lane")


def test_everything_comes_in_the_order_of_its_own_lane() -> None:
    stop, met, before = threading.Event(), threading.Barrier(3), torch.get_num_threads()
    given = list(side_by_side([partial(counting, 10 * lane, 5, stop, met) for lane in range(3)], stop))
    for lane in range(3):
        assert [n for number, n in given if number == lane] == [*range(10 * lane, 10 * lane + 5), -10 * lane]
    assert torch.get_num_threads() == before


def test_one_lane_runs_in_the_thread_that_asks() -> None:
    def who() -> Iterator[threading.Thread]:
        yield threading.current_thread()

    assert list(side_by_side([who], threading.Event())) == [(0, threading.current_thread())]


def test_lanes_compute_on_one_core_each() -> None:
    def threads() -> Iterator[int]:
        yield torch.get_num_threads()

    assert sorted(side_by_side([threads] * 2, threading.Event())) == [(0, 1), (1, 1)]


def test_an_error_ends_the_others_and_is_raised() -> None:
    stop, found = threading.Event(), []
    lanes = side_by_side([partial(failing, 2), partial(counting, 100, 10**9, stop)], stop)
    with pytest.raises(ValueError, match="lane"):
        found.extend(given for _, given in lanes)
    assert stop.is_set()
    assert [n for n in found if -100 < n < 100] == [0, 1]
    assert found[-1] == -100  # what the other one gave in the end


def test_ctrl_c_lets_the_lanes_end() -> None:
    stop, found = threading.Event(), []

    def interrupted() -> Iterator[int]:
        yield 1
        time.sleep(0.2)  # until the main thread waits again
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        stop.wait(10)
        yield 2

    lanes = side_by_side([interrupted, partial(counting, 0, 0, stop)], stop)
    with pytest.raises(KeyboardInterrupt):
        found.extend(given for _, given in lanes)
    assert sorted(found) == [0, 1, 2]


def test_giving_up_the_iterator_stops_the_lanes() -> None:
    stop = threading.Event()
    given = side_by_side([partial(counting, lane, 10**9, stop) for lane in range(2)], stop)
    next(given)
    given.close()  # type: ignore[attr-defined]
    assert stop.is_set()
