"""Fixtures of the examples in docstrings."""

import pytest

from goodfit import registry


@pytest.fixture(autouse=True)
def _nothing_stays_registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Techniques that an example registers are known to that example only."""
    monkeypatch.setattr(registry, "_registered", {})
