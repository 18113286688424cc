"""Several iterators side by side, each in a thread that computes on one core."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch

T = TypeVar("T")
PATIENCE = 0.1
"""Seconds between two looks at whether the threads have ended."""


@dataclass
class Failure:
    """What went wrong in a thread."""

    error: BaseException


Given = queue.SimpleQueue[tuple[int, T | Failure]]


def side_by_side(makers: Sequence[Callable[[], Iterator[T]]], stop: threading.Event) -> Iterator[tuple[int, T]]:
    """What several iterators give, each with the number of its iterator, as it comes.

    A single one runs in the caller's thread. Ctrl-C, or an error in one of them, sets `stop`, upon which they should
    end; what they still give comes before the exception.
    """
    if len(makers) == 1:
        yield from ((0, given) for given in makers[0]())
        return
    before = torch.get_num_threads()
    given: Given[T] = queue.SimpleQueue()
    threads = [
        threading.Thread(target=_run, args=(number, maker, given), name=f"goodfit-{number}", daemon=True)
        for number, maker in enumerate(makers)
    ]
    for thread in threads:
        thread.start()
    try:
        yield from _collected(given, threads, stop)
    finally:
        stop.set()
        torch.set_num_threads(before)  # of threads that are yet to come


def _run(number: int, maker: Callable[[], Iterator[T]], given: Given[T]) -> None:
    torch.set_num_threads(1)
    try:
        for found in maker():
            given.put((number, found))
    except BaseException as error:  # noqa: BLE001 - it is raised again where the results are waited for
        given.put((number, Failure(error)))


def _collected(given: Given[T], threads: Sequence[threading.Thread], stop: threading.Event) -> Iterator[tuple[int, T]]:
    raised: BaseException | None = None
    while True:
        try:
            ended = not any(thread.is_alive() for thread in threads)  # before the last look, or something is missed
            number, found = given.get(timeout=0 if ended else PATIENCE)
        except queue.Empty:
            if ended:
                break
            continue
        except KeyboardInterrupt as interrupt:
            if stop.is_set():
                raise  # a second time: at once
            raised = interrupt
            stop.set()
            continue
        if isinstance(found, Failure):
            raised = raised or found.error
            stop.set()
        else:
            yield number, found
    if raised:
        raise raised
