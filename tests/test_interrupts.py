"""Interrupts: at once, or as an event; SIGTERM and SIGHUP act like Ctrl-C where a handler makes them."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from goodfit.interrupts import TERMINATING, GracefulInterrupt, TerminationHandler


@pytest.fixture
def handler() -> Iterator[TerminationHandler]:
    """A handler of SIGTERM and SIGHUP; Ctrl-C has Python's own handler."""
    numbers = (signal.SIGINT, *TERMINATING)
    before = [signal.getsignal(number) for number in numbers]
    handler = TerminationHandler()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in TERMINATING:
        signal.signal(number, handler)
    yield handler
    for number, old in zip(numbers, before, strict=True):
        signal.signal(number, old)


@pytest.mark.parametrize("number", TERMINATING)
def test_the_first_signal_interrupts_and_later_ones_have_no_effect(handler: TerminationHandler, number: int) -> None:
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
    for later in TERMINATING:
        signal.raise_signal(later)
    assert handler.received == number


@pytest.mark.parametrize("number", [signal.SIGINT, *TERMINATING])
def test_a_graceful_interrupt_is_an_event(handler: TerminationHandler, number: int) -> None:
    stop = threading.Event()
    with GracefulInterrupt(stop) as interrupt:
        assert not interrupt.received
        signal.raise_signal(number)
        assert interrupt.received
        assert stop.is_set()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert handler.received == (0 if number == signal.SIGINT else number)
    assert handler.interrupt is signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("number", TERMINATING)
def test_signals_are_graceful_where_ctrl_c_is_ignored(handler: TerminationHandler, number: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stop = threading.Event()
    with GracefulInterrupt(stop):
        signal.raise_signal(signal.SIGINT)
        assert not stop.is_set()
        signal.raise_signal(number)
        assert stop.is_set()
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_a_handler_of_the_user_is_left(handler: TerminationHandler) -> None:
    def own(number: int, frame: object) -> None:
        pass

    signal.signal(signal.SIGTERM, own)
    with GracefulInterrupt(threading.Event()):
        assert signal.getsignal(signal.SIGTERM) is own


def test_another_thread_changes_nothing(handler: TerminationHandler) -> None:
    def enter() -> None:
        with GracefulInterrupt(threading.Event()):
            unchanged.append(handler.interrupt is signal.getsignal(signal.SIGINT) is signal.default_int_handler)

    unchanged: list[bool] = []
    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert unchanged == [True]
