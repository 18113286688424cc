"""Interrupts: Ctrl-C, and SIGTERM and SIGHUP where the program makes them act like Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

TERMINATING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
"""The signals by which a batch system, a service manager or a closed terminal ends a program."""


class TerminationHandler:
    """A signal handler that interrupts the program as Ctrl-C does.

    `received` is the first signal, or 0. Later ones have no effect, because `timeout` and terminals send them twice.
    """

    def __init__(self) -> None:
        self.received = 0
        self.interrupt: Callable[[int, FrameType | None], Any] = signal.default_int_handler

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal."""
        if not self.received:
            self.received = number
            self.interrupt(number, frame)


class GracefulInterrupt:
    """Inside the block, the first interrupt sets the event `stop`; a second one raises KeyboardInterrupt at once.

    In threads other than the main thread, and with a Ctrl-C handler of the user's own, the block changes nothing.
    """

    def __init__(self, stop: Any) -> None:
        self.stop, self.received = stop, False
        main = threading.current_thread() is threading.main_thread()
        self.ctrl_c = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        handlers = map(signal.getsignal, TERMINATING) if main else ()
        self.terminations = [handler for handler in handlers if isinstance(handler, TerminationHandler)]

    def __enter__(self) -> GracefulInterrupt:
        if self.ctrl_c:
            signal.signal(signal.SIGINT, self._receive)
        for handler in self.terminations:
            handler.interrupt = self._receive
        return self

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.received:
            raise KeyboardInterrupt
        self.received = True
        self.stop.set()

    def __exit__(self, *error: object) -> None:
        if self.ctrl_c:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        for handler in self.terminations:
            handler.interrupt = signal.default_int_handler
