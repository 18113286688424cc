"""Checks of arguments that several modules share."""

from __future__ import annotations

import numbers
from typing import Any, TypeGuard

from goodfit.errors import InputError


def is_whole_number(value: object, low: int) -> TypeGuard[int]:
    """Whether a value is a Python int (not a bool) of at least `low`.

    >>> is_whole_number(3, 1), is_whole_number(True, 1), is_whole_number(3.0, 1)
    (True, False, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and value >= low


def as_python_int(value: Any) -> Any:
    """A whole number of NumPy as a Python int; all other values unchanged."""
    return int(value) if isinstance(value, numbers.Integral) and not isinstance(value, bool) else value


def whole_number(who: str, name: str, value: object, low: int) -> int:
    """A whole number of at least `low` as a Python int; whole numbers of NumPy are converted.

    Raises:
        InputError: any other value; `who` and `name` say whose argument it is.

    >>> whole_number("fit", "seed", -1, 0)
    Traceback (most recent call last):
    goodfit.errors.InputError: fit: seed must be a whole number of at least 0, got seed=-1.
    """
    number = as_python_int(value)
    if not is_whole_number(number, low):
        raise InputError(f"{who}: {name} must be a whole number of at least {low}, got {name}={value!r}.")
    return number
