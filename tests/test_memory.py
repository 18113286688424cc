"""Free memory: of the machine, of a container, of a GPU, and where the system does not report it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from goodfit import memory
from goodfit.memory import free_memory


def test_the_limit_of_a_container_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = free_memory()
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    (tmp_path / "memory.stat").write_text("anon 1000\nfile 5000\n")
    (tmp_path / "memory.max").write_text("3000\n")
    assert free_memory() == free_memory(torch.device("cpu")) == 2000
    (tmp_path / "memory.max").write_text("max\n")
    assert free_memory() > whole / 2


def test_systems_that_do_not_report_their_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "CONTAINER", tmp_path)
    monkeypatch.setattr(Path, "read_text", lambda *arguments, **options: (_ for _ in ()).throw(OSError))
    monkeypatch.delattr(os, "sysconf", raising=False)
    assert free_memory() == memory.UNKNOWN


def test_the_memory_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (123, 456))
    assert free_memory(torch.device("cuda")) == 123
