"""What the stages share: the clock, schedules of strengths, learned strengths, selectors."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor

from goodfit.technique import Technique, knob

Draw = tuple[Tensor, ...]

SELECTOR = (
    "which tensors or layers: kinds (kernel, bias, norm), module types (Linear), globs on names (encoder.*), first, "
    "last; !word excludes; separated by blanks"
)


def selector(default: str = "kernel") -> Any:
    """The knob by which a technique's tensors or layers are chosen; see `goodfit.surgery.select`."""
    return knob(default, doc=SELECTOR)


def share(default: float, most: float, doc: str) -> Any:
    """A knob in [0, 1) that does nothing at 0, searched up to `most`: the rate of a dropout and its kin."""
    return knob(default, low=0, high=1, open_right=True, search=(0.0, most), neutral=0.0, unit="share", doc=doc)


@dataclass(frozen=True)
class Clock:
    """Where training stands, counted in optimizer steps (not in parts of an accumulated gradient)."""

    step: int  # the one at hand, from 1
    per_epoch: int
    total: int

    @property
    def done(self) -> float:
        """The share of training that lies behind, in [0, 1).

        >>> Clock(step=6, per_epoch=5, total=10).done
        0.5
        """
        return (self.step - 1) / max(1, self.total)

    @property
    def ends_epoch(self) -> bool:
        """Whether this is the last step of an epoch."""
        return self.step % self.per_epoch == 0


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "linear": lambda done: 1.0 - done,
    "cosine": lambda done: 0.5 * (1 + math.cos(math.pi * done)),
    "early": lambda done: float(done < 0.5),
    "late": lambda done: float(done >= 0.5),
}
"""Name → the share of a strength that acts when a share `done` of training lies behind."""


class Scheduled(Technique):
    """A technique whose strengths may change while training goes on."""

    schedule: str = knob(
        default="constant",
        choices=tuple(SCHEDULES),
        kw_only=True,
        doc="strength over training: linear and cosine fall to nothing at the end; early: first half; late: second",
    )

    def at(self, done: float) -> Self:
        """The technique as strong as it is when a share `done` in [0, 1) of training lies behind.

        >>> from goodfit.techniques import Dropout, MaxNorm
        >>> Dropout(0.5, schedule="linear").at(0.5).rate, MaxNorm(3.0, schedule="early").at(0.75).max_value
        (0.25, inf)
        """
        if self.schedule == "constant":
            return self
        share = SCHEDULES[self.schedule](done)
        return self.with_values(**{name: self._part(name, share) for name in self.strengths()})

    def _part(self, name: str, share: float) -> Any:
        value, neutral = getattr(self, name), float(self.knobs()[name].neutral or 0.0)
        if math.isinf(neutral):
            return value / share if share else neutral
        return neutral + share * (value - neutral)


class Learned(ABC):
    """Mixed into techniques some of whose strengths are learned along with the network."""

    @abstractmethod
    def learned(self, like: Tensor) -> dict[str, Tensor]:
        """Knob → the tensor it starts from, for one tensor (or one layer's input) that the technique acts on."""


class Paced(ABC):
    """Mixed into techniques that need a learning rate of their own course."""

    @abstractmethod
    def pace(self, clock: Clock) -> float:
        """The factor on the learning rate of this step."""
