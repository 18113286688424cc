"""What several stages share: the clock, schedules, and mixins for techniques with something in common."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from torch import Tensor

from goodfit.technique import Technique, knob

Draw = tuple[Tensor, ...]
"""The random tensors that a technique's `draw` returns and its other methods receive."""

SELECTOR = (
    "which tensors or layers: kinds (kernel, bias, norm), module types (Linear), globs on names (encoder.*), first, "
    "last; !word excludes; separated by blanks"
)


def selector(default: str = "kernel") -> Any:
    """Declare the knob `on`, which selects the tensors or layers of a technique; see `goodfit.surgery.select`."""
    return knob(default, doc=SELECTOR)


def rate_knob(default: float, most: float, doc: str) -> Any:
    """Declare a rate in [0, 1) with the neutral value 0, searched from 0 to `most`, as dropout has it."""
    return knob(default, low=0, high=1, open_right=True, search=(0.0, most), neutral=0.0, unit="fraction", doc=doc)


@dataclass(frozen=True)
class Clock:
    """The position in training, counted in optimizer steps. An accumulated gradient is one step."""

    step: int  # the current step, from 1
    per_epoch: int  # steps in an epoch
    total: int  # steps in the whole training

    @property
    def progress(self) -> float:
        """The fraction of training that is completed before this step, in [0, 1).

        >>> Clock(step=6, per_epoch=5, total=10).progress
        0.5
        """
        return (self.step - 1) / max(1, self.total)

    @property
    def ends_epoch(self) -> bool:
        """Whether this is the last step of an epoch."""
        return self.step % self.per_epoch == 0


SCHEDULES: dict[str, Callable[[float], float]] = {
    "constant": lambda progress: 1.0,
    "linear": lambda progress: 1.0 - progress,
    "cosine": lambda progress: 0.5 * (1 + math.cos(math.pi * progress)),
    "early": lambda progress: float(progress < 0.5),
    "late": lambda progress: float(progress >= 0.5),
}
"""Name → the factor on a strength, as a function of the fraction of training completed."""


class Scheduled(Technique):
    """A technique whose strengths may follow a schedule over training.

    The trainer calls `at` before each step and uses the technique that it returns. A technique's own methods therefore
    never read `schedule`.
    """

    schedule: str = knob(
        default="constant",
        choices=tuple(SCHEDULES),
        kw_only=True,
        doc="strength over training: linear and cosine fall to 0 at the end; early: first half; late: second half",
    )

    def at(self, progress: float) -> Self:
        """The technique with the strengths it has when a fraction `progress` in [0, 1) of training is completed.

        >>> from goodfit.techniques import Dropout, MaxNorm
        >>> Dropout(0.5, schedule="linear").at(0.5).rate, MaxNorm(3.0, schedule="early").at(0.75).max_value
        (0.25, inf)
        """
        if self.schedule == "constant":
            return self
        factor = SCHEDULES[self.schedule](progress)
        return self.with_values(**{name: self._scaled(name, factor) for name in self.strengths()})

    def _scaled(self, name: str, factor: float) -> Any:
        """A strength between its neutral value (factor 0) and its own value (factor 1)."""
        value, neutral = getattr(self, name), float(self.knobs()[name].neutral or 0.0)
        if math.isinf(neutral):
            return value / factor if factor else neutral
        return neutral + factor * (value - neutral)


def is_scheduled(technique: Technique) -> bool:
    """Whether a technique's strengths follow a schedule over training."""
    return isinstance(technique, Scheduled) and technique.schedule != "constant"


class Periodic(ABC):
    """Mixin for OnGrads and OnEval techniques that act at some steps only."""

    @abstractmethod
    def acts(self, clock: Clock) -> bool:
        """Whether the technique acts in this step. Its other methods are called only then.

        The answer must depend on the clock and the knobs alone: it is the same for all members of a population.
        """


def acts_now(technique: Technique, clock: Clock) -> bool:
    """Whether a technique acts in this step: `Periodic` techniques decide, all others always act.

    >>> from goodfit.techniques import EMA, SWA
    >>> clock = Clock(step=1, per_epoch=2, total=4)
    >>> acts_now(EMA(), clock), acts_now(SWA(), clock)
    (True, False)
    """
    return not isinstance(technique, Periodic) or technique.acts(clock)


class TrainableStrengths(ABC):
    """Mixin for techniques with strengths that are trained together with the network's weights."""

    @abstractmethod
    def initial_values(self, like: Tensor) -> dict[str, Tensor]:
        """The starting values of the learned strengths at one place of the network.

        Args:
            like: the weight tensor, or the input of the layer, on which the technique acts.

        Returns:
            Knob → tensor. Inside the other methods the knob holds this tensor, as it is trained so far.
        """


class ScalesLearningRate(ABC):
    """Mixin for techniques that change the learning rate during training."""

    @abstractmethod
    def lr_factor(self, clock: Clock) -> float:
        """The factor on the learning rate of this step, on top of the run's own learning-rate schedule."""
