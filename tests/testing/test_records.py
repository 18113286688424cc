"""Checks of records refuse techniques that break a rule."""

from __future__ import annotations

from typing import Any

import pytest

from goodfit.technique import Technique, knob
from goodfit.testing import check_technique
from goodfit.testing.examples import CubicPenalty


class WithPlainField(CubicPenalty):
    """Has a field that is not a knob."""

    more: int = 3


class Undocumented(CubicPenalty):
    """Has a knob without documentation."""

    extra: float = knob(0.5, low=0, high=1)


class Rounded(CubicPenalty):
    """Does not keep its bounds."""

    def __post_init__(self) -> None:
        """Clip the strength instead of refusing it."""
        value: Any = self.strength
        if isinstance(value, float):
            object.__setattr__(self, "strength", max(0.0, value))
        super().__post_init__()


class Wordy(CubicPenalty):
    """Adds a term. The text has two sentences."""


BROKEN: list[tuple[type[Technique], str, str]] = [
    (WithPlainField, "every knob is declared in full", r"fields must be declared with knob\(…\), got .*'more'"),
    (Undocumented, "every knob is declared in full", "knob extra needs doc=…"),
    (Rounded, "each invalid value is refused in words", "strength=nan must be refused with an InputError"),
    (Wordy, "documented", "must start with one sentence .* got 'Adds a term. The text has two sentences.'"),
]


@pytest.mark.parametrize(("technique", "check", "message"), BROKEN, ids=[t.__name__ for t, *_ in BROKEN])
def test_broken_techniques_are_refused(technique: type[Technique], check: str, message: str) -> None:
    checks = dict(check_technique(technique, generate_only=True))
    with pytest.raises(AssertionError, match=f"^{technique.__name__}: {check}: .*{message}"):
        checks[check]()
