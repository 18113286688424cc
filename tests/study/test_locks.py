"""Locks of a study's folder: they are held by one process, and their files are removed in the end."""

from __future__ import annotations

from pathlib import Path

import pytest

from goodfit.study.locks import Locks


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "study" / "locks"


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
