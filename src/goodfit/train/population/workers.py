"""Several iterators side by side, each in a copy of this process that computes on one core.

Threads would not do: between its products a step needs Python, which one thread has at a time.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.dummy
import os
import pickle
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any, Generic, TypeVar

import torch

T = TypeVar("T")


def possible() -> int:
    """How many lanes this process may open: one for each thread that torch uses, where a process can be copied.

    Python copies processes on Linux alone, and not where the process is itself one of several, or uses a GPU.
    """
    alone = sys.platform != "linux" or multiprocessing.current_process().daemon or torch.cuda.is_initialized()
    return 1 if alone else max(1, min(torch.get_num_threads(), len(os.sched_getaffinity(0))))


class Shared(Generic[T]):
    """What several lanes share: work, each piece of which one of them takes, and the sign to stop."""

    def __init__(self, work: Sequence[T], lanes: int) -> None:
        context: Any = multiprocessing.get_context("fork") if lanes > 1 else multiprocessing.dummy
        self.work, self.taken, self.turn = work, context.Value("q", 0), context.Lock()
        self.stop = context.Event()

    def take(self, count: int) -> Sequence[T]:
        """The next pieces, as many as there are."""
        with self.turn:
            first = self.taken.value
            self.taken.value = min(first + count, len(self.work))
            return self.work[first : self.taken.value]

    def left(self) -> Sequence[T]:
        """What nobody has taken."""
        return self.work[self.taken.value :]


class WorkerDiedError(Exception):
    """A process ended without a word; the others have gone on, and taken all work that was not yet taken."""


@dataclass
class Failure:
    """What went wrong in a lane."""

    error: BaseException


END = "end"
"""The last that a lane says."""


def side_by_side(makers: Sequence[Callable[[], Iterator[T]]], stop: Any) -> Iterator[tuple[int, T]]:
    """What several iterators give, each with the number of its iterator, as it comes.

    A single one runs here. Ctrl-C, or an error in one of them, sets `stop`, upon which they should end; what they
    still give comes before the exception.

    Raises:
        WorkerDiedError: a process was killed, most likely for want of memory.
    """
    if len(makers) == 1:
        yield from ((0, given) for given in makers[0]())
        return
    lanes: dict[Connection, tuple[int, Any]] = {}
    try:
        with _Interrupts(stop) as interrupts:
            _open(makers, lanes)
            yield from _collected(lanes, stop)
        if interrupts.seen:
            raise KeyboardInterrupt
    finally:
        stop.set()
        for _, process in lanes.values():
            process.terminate()
            process.join()


def _open(makers: Sequence[Callable[[], Iterator[T]]], lanes: dict[Connection, tuple[int, Any]]) -> None:
    context = multiprocessing.get_context("fork")
    for number, maker in enumerate(makers):
        mine, theirs = context.Pipe(duplex=False)
        process = context.Process(target=_run, args=(maker, theirs), name=f"goodfit-{number}", daemon=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Python's and JAX's: this process has threads; the copy needs none
            process.start()
        theirs.close()
        lanes[mine] = number, process


def _run(maker: Callable[[], Iterator[T]], pipe: Connection) -> None:
    """In a lane: what the iterator gives, one after another."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal tells everyone; the first process tells when to stop
    torch.set_num_threads(1)
    try:
        for given in maker():
            pipe.send_bytes(pickle.dumps(given))
        pipe.send_bytes(pickle.dumps(END))
    except BrokenPipeError:
        return  # nobody is there any more
    except BaseException as error:  # noqa: BLE001 - it is raised again where the results are waited for
        pipe.send_bytes(_packed(error))


def _packed(error: BaseException) -> bytes:
    try:
        packed = pickle.dumps(Failure(error))
        pickle.loads(packed)  # an exception may be easy to pack and impossible to unpack
    except Exception:  # noqa: BLE001 - whatever a user's exception holds
        return pickle.dumps(Failure(RuntimeError(f"{type(error).__name__}: {error}")))
    return packed


def _collected(lanes: dict[Connection, tuple[int, Any]], stop: Any) -> Iterator[tuple[int, Any]]:
    """What the lanes say, until all have ended."""
    raised: BaseException | None = None
    while lanes:
        for pipe in wait(list(lanes)):
            assert isinstance(pipe, Connection)
            number, process = lanes[pipe]
            try:
                found = pickle.loads(pipe.recv_bytes())
            except EOFError:
                process.join()
                found = Failure(WorkerDiedError(f"a process that trained ended with code {process.exitcode}"))
            if isinstance(found, Failure):
                raised = raised or found.error
                if not isinstance(found.error, WorkerDiedError):
                    stop.set()
            if isinstance(found, Failure) or found == END:
                process.join()
                del lanes[pipe]
            else:
                yield number, found
    if raised:
        raise raised


class _Interrupts:
    """While it is open, the first Ctrl-C is noted and passed on as `stop`; the second one acts at once."""

    def __init__(self, stop: Any) -> None:
        self.stop, self.seen = stop, False
        main = threading.current_thread() is threading.main_thread()
        self.before = signal.getsignal(signal.SIGINT) if main else None

    def __enter__(self) -> _Interrupts:
        if self.before is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._note)
        return self

    def _note(self, number: int, frame: Any) -> None:
        if self.seen:
            raise KeyboardInterrupt
        self.seen = True
        self.stop.set()

    def __exit__(self, *error: object) -> None:
        if self.before is signal.default_int_handler:
            signal.signal(signal.SIGINT, self.before)
