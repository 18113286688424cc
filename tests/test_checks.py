"""Whole numbers: which values are, and the error of the others."""

from __future__ import annotations

import numpy as np
import pytest

from goodfit.checks import is_whole_number, whole_number
from goodfit.errors import InputError


@pytest.mark.parametrize("value", [0, 7, np.int64(7), np.uint8(3)])
def test_whole_numbers_become_ints(value: object) -> None:
    number = whole_number("fit", "seed", value, 0)
    assert number == value
    assert type(number) is int


@pytest.mark.parametrize("value", [-1, 1.0, True, np.True_, np.float32(2), "3", None, [1]])
def test_other_values_are_refused(value: object) -> None:
    assert not is_whole_number(value, 0)
    with pytest.raises(InputError) as raised:
        whole_number("fit", "seed", value, 0)
    assert str(raised.value) == f"fit: seed must be a whole number of at least 0, got seed={value!r}."


def test_the_lower_bound() -> None:
    assert is_whole_number(2, 2)
    with pytest.raises(InputError, match=r"^folds: k must be a whole number of at least 2, got k=1\.$"):
        whole_number("folds", "k", 1, 2)
