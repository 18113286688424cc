"""The choice of kernels is tested with its cache file in a folder of the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from goodfit.kernels import measurements


@pytest.fixture
def cache_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The cache file of measurements, which are not switched off."""
    monkeypatch.delenv("GOODFIT_PRODUCTS", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    measurements._known.clear()
    yield tmp_path / "goodfit" / measurements.FILE
    measurements._known.clear()
