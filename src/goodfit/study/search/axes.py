"""The axes of a search space: a number, a choice or a technique that is on or off, each as a position in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

Setting: TypeAlias = float | int | bool | str
"""A value of an axis."""
EDGE = 0.1
"""Share of a range that is its edge: a better value may be beyond it."""
DIGITS = 2
"""Significant digits of searched numbers: recipes stay readable, and finer differences do not matter."""
WIDEN = 4.0
"""The factor by which an end of a logarithmic range moves; that of a linear range moves by half the width."""


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`.

    Attributes:
        least, most: the bounds of the knob, which a widened range does not leave.
        log: whether the scale is logarithmic; `whole`: whether the numbers are whole.
    """

    low: float
    high: float
    log: bool = False
    whole: bool = False
    least: float = -math.inf
    most: float = math.inf

    def value(self, share: float) -> Setting:
        """The number at a share of the range, rounded to two significant digits within it.

        >>> Range(1e-4, 1e-1, log=True).value(0.5)
        0.0032
        """
        low, high = self._scaled(self.low), self._scaled(self.high)
        number = low + share * (high - low)
        number = math.exp(number) if self.log else number
        if self.whole:
            return round(number)
        return min(max(float(f"{number:.{DIGITS}g}"), self.low), self.high)

    def share(self, value: Setting) -> float | None:
        """Where a number is in the range; None if it is outside."""
        if isinstance(value, str) or not self.low <= value <= self.high:
            return None
        low, high = self._scaled(self.low), self._scaled(self.high)
        return (self._scaled(value) - low) / (high - low)

    def widened(self, upward: bool) -> Range:
        """A range that reaches further at one end, within the bounds of the knob."""
        if self.log and not upward and self.low <= self.high * 1e-9:
            return self
        step = (self.high - self.low) / 2
        end = self.high if upward else self.low
        further = end * WIDEN ** (1 if upward else -1) if self.log else end + (step if upward else -step)
        further = min(self.most, max(self.least, round(further) if self.whole else further))
        return replace(self, high=further) if upward else replace(self, low=further)

    def around(self, value: float, upward: bool = True, downward: bool = True) -> Range:
        """A range in which a number is neither at the edge nor outside, unless the bounds of the knob are reached.

        >>> Range(1e-4, 1e-2, log=True).around(2e-2)
        Range(low=0.0001, high=0.04, log=True, whole=False, least=-inf, most=inf)
        """
        low, high = self._scaled(self.low), self._scaled(self.high)
        share = (self._scaled(value) - low) / (high - low)
        above, below = share > 1 - EDGE and upward, share < EDGE and downward
        wider = self.widened(above) if above or below else self
        return self if wider == self else wider.around(value, upward, downward)

    def _scaled(self, number: float) -> float:
        return math.log(number) if self.log else float(number)

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Choices:
    """Values without an order."""

    values: tuple[Setting, ...]

    def value(self, share: float) -> Setting:
        """The value at a share of the list."""
        return self.values[min(int(share * len(self.values)), len(self.values) - 1)]

    def share(self, value: Setting) -> float | None:
        """The middle of a value's part of the list; None if it is not in the list."""
        return (self.values.index(value) + 0.5) / len(self.values) if value in self.values else None

    def __str__(self) -> str:
        return ", ".join(map(str, self.values))


@dataclass(frozen=True)
class Axis:
    """What a search varies: a knob of a technique (`dropout.rate`), a technique (`batch_norm`) or a training setting.

    Its positions are the numbers in [0, 1]. Below `off` the knob has its neutral value (or the technique is absent);
    the rest of the positions is the scale. So all axes are alike for any sampler, whichever techniques are on.

    Attributes:
        owner: the technique; "" for a training setting.
        knob: the knob, or the training setting; "" for a technique without one.
        scale: the values.
    """

    owner: str
    knob: str
    scale: Range | Choices
    off: float = 0.0

    @property
    def name(self) -> str:
        """A unique name, for instance `dropout.rate`."""
        return ".".join(filter(None, (self.owner, self.knob)))

    def value(self, position: float) -> Setting | None:
        """The value at a position; None: off.

        >>> axis = Axis("l2", "l2", Range(1e-4, 1e-2, log=True), off=0.5)
        >>> axis.value(0.3), axis.value(0.5), axis.value(0.75), axis.value(1.0)
        (None, 0.0001, 0.001, 0.01)
        """
        if position < self.off:
            return None
        return self.scale.value((position - self.off) / (1 - self.off))

    def position(self, value: Setting | None) -> float | None:
        """A position with this value; None if the axis has no such value."""
        if value is None:
            return self.off / 2 if self.off else None
        share = self.scale.share(value)
        return None if share is None else min(1.0, self.off + share * (1 - self.off))


def technique_names(axes: Sequence[Axis]) -> list[str]:
    """The techniques of axes, in their order."""
    return list(dict.fromkeys(axis.owner for axis in axes if axis.owner))
