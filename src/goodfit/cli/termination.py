"""SIGTERM and SIGHUP end a command like Ctrl-C: what was done is kept and printed."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from goodfit.interrupts import TERMINATING, TerminationHandler

SIGNALED = 128
"""A program that a signal ended has this exit code plus the signal's number."""
INTERRUPTED = SIGNALED + signal.SIGINT
"""Exit code of a program that Ctrl-C ended."""


class _CommandTermination(TerminationHandler):
    """Also discards the output to a closed terminal: printing would raise an error before the results are saved."""

    def __init__(self) -> None:
        super().__init__()
        self.terminals = [output for output in (1, 2) if os.isatty(output)]

    def __call__(self, number: int, frame: FrameType | None) -> None:
        for output in self.terminals:
            if not os.isatty(output):
                os.dup2(os.open(os.devnull, os.O_WRONLY), output)
        super().__call__(number, frame)


@contextlib.contextmanager
def ended_like_ctrl_c() -> Iterator[None]:
    """Inside the block, SIGTERM and SIGHUP act like Ctrl-C; the exit code is then 143 or 129 instead of 130.

    Signals that are ignored, as SIGHUP by `nohup`, or that have a handler already, are left as they are.

    Raises:
        SystemExit: as in the block, with the exit code of the signal.
    """
    handler, main = _CommandTermination(), threading.current_thread() is threading.main_thread()
    replaced = [number for number in TERMINATING if main and signal.getsignal(number) is signal.SIG_DFL]
    for number in replaced:
        signal.signal(number, handler)
    try:
        yield
    except SystemExit as ended:
        if handler.received and ended.code == INTERRUPTED:
            raise SystemExit(SIGNALED + handler.received) from None
        raise
    finally:
        for number in replaced:
            signal.signal(number, signal.SIG_DFL)
