"""Which epoch is the best."""

from __future__ import annotations

import math

import pytest

from goodfit.stages import MonitorSpec


@pytest.mark.parametrize(
    ("mode", "value", "best", "better"),
    [
        ("min", 0.1, None, True),
        ("min", 0.1, 0.2, True),
        ("min", 0.2, 0.2, False),
        ("max", 0.2, 0.1, True),
        ("max", -0.1, -0.2, True),
        ("max", -0.2, -0.1, False),
        ("min", math.nan, None, False),
        ("max", math.nan, 0.1, False),
        ("min", math.inf, None, False),
        ("min", -math.inf, 0.1, False),  # a loss without bottom is a broken one
        ("max", math.inf, 0.1, False),
    ],
)
def test_better(mode: str, value: float, best: float | None, better: bool) -> None:
    assert MonitorSpec(mode=mode).is_better(value, best) is better
