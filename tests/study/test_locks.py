"""Locks of a study's folder: which processes train fits, and what is left of those that were killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.study.locks import Locks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "study" / "locks"


def test_processes_know_of_each_other(folder: Path) -> None:
    first, second = Locks(folder), Locks(folder)
    assert first.alone()
    assert first.alone()
    assert not second.alone()
    assert not first.alone()
    second.leave()
    assert first.alone()
    assert len(list(folder.iterdir())) == 1
    first.leave()
    first.leave()  # nothing to do
    assert list(folder.iterdir()) == []


def test_the_lock_of_a_killed_process_is_removed(folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / "process-killed.lock").touch()
    (folder / "repeat-0-fold-1.lock").touch()
    locks = Locks(folder)
    assert locks.alone()
    locks.leave()
    assert [file.name for file in folder.iterdir()] == ["repeat-0-fold-1.lock"]


def test_a_held_lock_cannot_be_claimed(folder: Path) -> None:
    with Locks(folder).held("study"):
        with Locks(folder).claim("study", wait=False) as owned:
            assert not owned
        with Locks(folder).claim("rounds", wait=False) as owned:
            assert owned


def test_the_folder_is_removed_with_the_last_lock(folder: Path) -> None:
    locks = Locks(folder)
    with locks.held("repeat-0-fold-1"), locks.held("study"):
        pass
    locks.remove("repeat-*")
    assert [file.name for file in folder.iterdir()] == ["study.lock"]
    locks.remove("study")
    assert not folder.exists()
