"""Worker processes that end with their parent, however it ends: also by SIGKILL, which no handler sees."""

from __future__ import annotations

import ctypes
import functools
import gc
import multiprocessing
import os
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG = 1
"""Linux' number of the request for a signal at the death of the parent (prctl(2))."""
SECONDS = 0.5
"""Time between two checks of whether the parent is alive."""


def die_with_parent(parent: int) -> None:
    """In a process that was just forked on Linux: let the kernel kill it as soon as process `parent` has ended."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), *[ctypes.c_ulong(0)] * 3)
    if os.getppid() != parent:  # it had ended before the request
        os._exit(1)


@functools.cache
def begin_worker(parent: int) -> None:
    """In one of joblib's own processes, before its first task. Elsewhere, do nothing.

    The process ends soon after process `parent` has ended. The kernel's signal would come too early here: it follows
    the thread that started the process, while joblib keeps its processes for other threads.

    What is imported is exempt from garbage collection: joblib collects every second, which took 0.25 s with torch.
    """
    if not multiprocessing.current_process().name.startswith("LokyProcess"):
        return
    gc.freeze()
    if sys.platform != "win32":
        threading.Thread(target=_end_with, args=(parent,), name="goodfit-parent", daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(SECONDS)
    os._exit(1)
