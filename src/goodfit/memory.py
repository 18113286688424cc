"""How much memory is free, in main memory and on a GPU."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

UNKNOWN = 2**32
"""Bytes assumed to be free on systems that do not report it."""
CONTAINER = Path("/sys/fs/cgroup")
"""Where Linux reports the memory limit of a container (control groups, version 2)."""


def free_memory(device: torch.device | None = None) -> int:
    """The number of bytes that can still be allocated: on a CUDA device if one is given, else in main memory.

    In a container, its memory limit counts.

    Memory that only caches files counts as free.

    >>> free_memory() > 0
    True
    """
    if device is not None and device.type == "cuda":
        import torch

        return torch.cuda.mem_get_info(device)[0]
    system = _free_on_machine()
    return min(system, _free_in_container(system))


def _free_on_machine() -> int:
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable")) * 1024
    except (OSError, ValueError, StopIteration):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return UNKNOWN


def _free_in_container(default: int) -> int:
    """The container's limit less the memory in use; `default` without a limit."""
    try:
        limit = int((CONTAINER / "memory.max").read_text(encoding="ascii"))
        lines = (CONTAINER / "memory.stat").read_text(encoding="ascii").splitlines()
        return max(0, limit - next(int(line.split()[1]) for line in lines if line.startswith("anon ")))
    except (OSError, ValueError, StopIteration):
        return default
