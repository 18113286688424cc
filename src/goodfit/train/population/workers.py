"""Runs several iterators in parallel, each in a forked copy of this process that uses one core.

Threads would be slower: between its matrix products a step needs Python, whose lock only one thread can hold.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.dummy
import os
import pickle
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

import torch

from goodfit.interrupts import TERMINATING, GracefulInterrupt
from goodfit.processes import die_with_parent

T = TypeVar("T")


def available_workers() -> int:
    """The workers that this process may start: one per thread that torch uses if the process can be forked, else 1.

    A process can be forked on Linux, unless it is a worker itself or uses a GPU.
    """
    single = sys.platform != "linux" or multiprocessing.current_process().daemon or torch.cuda.is_initialized()
    return 1 if single else max(1, min(torch.get_num_threads(), len(os.sched_getaffinity(0))))


@contextmanager
def using_threads(number: int) -> Iterator[None]:
    """Inside the block, torch computes with so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class WorkQueue(Generic[T]):
    """Items that several workers process, and the event that stops the workers."""

    def __init__(self, items: Sequence[T], workers: int) -> None:
        context: Any = multiprocessing.get_context("fork") if workers > 1 else multiprocessing.dummy
        self.items, self.position, self.lock = items, context.Value("q", 0), context.Lock()
        self.stop = context.Event()

    def take(self, count: int) -> Sequence[T]:
        """The next `count` items, or those that are left."""
        with self.lock:
            first = self.position.value
            self.position.value = min(first + count, len(self.items))
            return self.items[first : self.position.value]

    def remaining(self) -> Sequence[T]:
        """The items that no worker has taken."""
        return self.items[self.position.value :]


class WorkerDiedError(Exception):
    """A worker died without reporting an error. The other workers have continued with the items that were left."""


@dataclass
class Failure:
    """An exception in a worker."""

    error: BaseException


END = "end"
"""The last message of a worker."""


def run_in_parallel(iterators: Sequence[Callable[[], Iterator[T]]], stop: Any) -> Iterator[tuple[int, T]]:
    """The values of several iterators, each with the number of its iterator, as they arrive.

    A single iterator runs in this process. Ctrl-C, or an exception in an iterator, sets `stop`; the iterators
    should then end. Values that they still yield come before the exception is raised. The workers end with this
    process, also if it is killed.

    Raises:
        WorkerDiedError: a process was killed, most likely because memory was short.
    """
    if len(iterators) == 1:
        yield from ((0, value) for value in iterators[0]())
        return
    workers: dict[Connection, tuple[int, Any]] = {}
    try:
        with GracefulInterrupt(stop) as interrupt:
            _start(iterators, workers)
            yield from _collect(workers, stop)
        if interrupt.received:
            raise KeyboardInterrupt
    finally:
        stop.set()
        for _, process in workers.values():
            process.kill()
            process.join()


def _start(iterators: Sequence[Callable[[], Iterator[T]]], workers: dict[Connection, tuple[int, Any]]) -> None:
    context = multiprocessing.get_context("fork")
    for number, iterator in enumerate(iterators):
        receiver, sender = context.Pipe(duplex=False)
        arguments = iterator, sender, [receiver, *workers], os.getpid()
        process = context.Process(target=_run, args=arguments, name=f"goodfit-{number}", daemon=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python and JAX warn of forking with threads; a worker needs none
            process.start()
        sender.close()
        workers[receiver] = number, process


def _run(iterator: Callable[[], Iterator[T]], pipe: Connection, inherited: Sequence[Connection], parent: int) -> None:
    """In a worker: send the iterator's values."""
    die_with_parent(parent)
    for receiver in inherited:  # while one is open, a blocked send does not notice that the main process has ended
        receiver.close()
    for number in (signal.SIGINT, *TERMINATING):  # they may reach all processes; the main process sets `stop`
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(1)
    try:
        for value in iterator():
            pipe.send_bytes(pickle.dumps(value))
        pipe.send_bytes(pickle.dumps(END))
    except BrokenPipeError:
        return  # the main process has ended
    except BaseException as error:  # noqa: BLE001 - it is raised again in the main process
        pipe.send_bytes(_pickled(error))


def _pickled(error: BaseException) -> bytes:
    try:
        pickled = pickle.dumps(Failure(error))
        pickle.loads(pickled)  # some exceptions can be pickled, but not unpickled
    except Exception:  # noqa: BLE001 - a user's exception may hold anything
        return pickle.dumps(Failure(RuntimeError(f"{type(error).__name__}: {error}")))
    return pickled


def _collect(workers: dict[Connection, tuple[int, Any]], stop: Any) -> Iterator[tuple[int, Any]]:
    """The values that workers send, until all have ended."""
    raised: BaseException | None = None
    while workers:
        for pipe in wait(list(workers)):
            assert isinstance(pipe, Connection)
            number, process = workers[pipe]
            try:
                message = pickle.loads(pipe.recv_bytes())
            except EOFError:
                process.join()
                message = Failure(WorkerDiedError(f"a worker died with exit code {process.exitcode}"))
            if isinstance(message, Failure):
                raised = raised or message.error
                if not isinstance(message.error, WorkerDiedError):
                    stop.set()
            if isinstance(message, Failure) or message == END:
                process.join()
                del workers[pipe]
            else:
                yield number, message
    if raised:
        raise raised
