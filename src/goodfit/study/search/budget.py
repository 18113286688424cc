"""How long a study may search: seconds or trials."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from goodfit.errors import InputError

UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
TEXT = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|min|h|trials?)")
DEFAULT = "5m"


@dataclass(frozen=True)
class Budget:
    """The most seconds of a study, or the most trials of its search; the other one is infinite."""

    seconds: float = math.inf
    trials: float = math.inf

    @classmethod
    def of(cls, value: Budget | str | float) -> Budget:
        """A budget from its text (`30s`, `5m`, `2h`, `200trials`), or from a number of seconds.

        >>> Budget.of("5m"), Budget.of("200trials"), Budget.of(30)
        (Budget(seconds=300.0, trials=inf), Budget(seconds=inf, trials=200.0), Budget(seconds=30.0, trials=inf))

        Raises:
            InputError: it is no budget.
        """
        if isinstance(value, Budget):
            return value
        number = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
        unit, match = "s", TEXT.fullmatch(value.strip().lower()) if isinstance(value, str) else None
        if match:
            number, unit = float(match[1]), match[2]
        if not (math.isfinite(number) and number > 0) or (unit.startswith("trial") and number != int(number)):
            raise InputError(
                f"study: budget must be a time such as 30s, 5m or 2h, or a number of trials such as 200trials, got "
                f"{value!r}."
            )
        return cls(trials=number) if unit.startswith("trial") else cls(seconds=number * UNITS[unit])

    def __str__(self) -> str:
        """The budget in words.

        >>> str(Budget.of("5m")), str(Budget.of("200trials")), str(Budget.of("1.5h"))
        ('5 min', '200 trials', '90 min')
        """
        if math.isfinite(self.trials):
            return f"{self.trials:g} trials"
        return duration(self.seconds)


def duration(seconds: float) -> str:
    """Seconds in words.

    >>> duration(0.5), duration(4.2), duration(90), duration(300), duration(10_000)
    ('0.5 s', '4 s', '90 s', '5 min', '167 min')
    """
    if seconds < 1:
        return f"{seconds:.2g} s"
    return f"{round(seconds)} s" if seconds <= 120 else f"{round(seconds / 60)} min"
