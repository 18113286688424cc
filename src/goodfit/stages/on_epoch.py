"""OnEpoch: whether training goes on."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from goodfit.technique import Technique

State = dict[str, Any]


@dataclass(frozen=True)
class Decision:
    """What an OnEpoch technique says at the end of an epoch."""

    stop: bool
    reason: str = ""


@dataclass(frozen=True)
class Watch:
    """How the best epoch is told: a column of the History, its direction, and the first epoch that may count."""

    monitor: str = "stop_loss"
    mode: str = "min"
    start_from_epoch: int = 0
    restore: bool = False

    def better(self, value: float, best: float | None) -> bool:
        """Whether a value beats the best so far; one that is not finite never does.

        >>> Watch(mode="max").better(-0.1, -0.2), Watch().better(0.3, None), Watch().better(float("nan"), None)
        (True, True, False)
        """
        if not math.isfinite(value):
            return False
        return best is None or (value < best if self.mode == "min" else value > best)


class OnEpoch(Technique, ABC):
    """Decides whether training goes on. Its state is plain data, so that a resumed run goes on equally."""

    @abstractmethod
    def watch(self) -> Watch:
        """Which epoch counts as the best, and whether its weights are the ones to keep."""

    @abstractmethod
    def start(self) -> State:
        """The state before the first epoch, plain JSON data."""

    @abstractmethod
    def observe(self, state: State, epoch: int, metrics: Mapping[str, float]) -> tuple[State, Decision]:
        """The next state and the decision after `epoch` (from 1), from that epoch's row of the History."""
