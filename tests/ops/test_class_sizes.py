from __future__ import annotations

import pytest

from goodfit.ops.class_sizes import balanced_size


@pytest.mark.parametrize(
    ("size", "largest", "strength", "expected"),
    [
        (4, 16, 0.5, 8),
        (3, 27, 0.5, 9),  # √3 · √27 = 9, despite rounding errors
        (3, 10, 0.5, 6),  # √30 = 5.48, rounded up
        (1, 16, 0.25, 2),
        (7, 7, 0.3, 7),
    ],
)
def test_geometric_mean_by_hand(size: int, largest: int, strength: float, expected: int) -> None:
    assert balanced_size(size, largest, strength) == expected


def test_strength_zero_keeps_the_size_and_one_gives_the_largest() -> None:
    for size in range(1, 200):
        assert balanced_size(size, 199, 0.0) == size
        assert balanced_size(size, 199, 1.0) == 199
