"""The OnEpoch stage: when training stops, and which epoch is the best."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from goodfit.technique import Technique

StopState = dict[str, Any]
"""What an OnEpoch technique remembers between epochs: plain JSON data."""


@dataclass(frozen=True)
class Decision:
    """The decision of an OnEpoch technique at the end of an epoch."""

    stop: bool
    reason: str = ""  # shown to the user if `stop`


@dataclass(frozen=True)
class MonitorSpec:
    """How the best epoch is determined."""

    monitor: str = "stop_loss"  # a column of the History
    mode: str = "min"  # min: lower values are better; max: higher ones
    start_from_epoch: int = 0  # earlier epochs are never the best
    restore: bool = False  # whether the best epoch's weights are kept instead of the last ones

    def is_better(self, value: float, best: float | None) -> bool:
        """Whether a value beats the best so far (None: there is none). A value that is not finite never does.

        >>> MonitorSpec(mode="max").is_better(-0.1, -0.2), MonitorSpec().is_better(0.3, None)
        (True, True)
        >>> MonitorSpec().is_better(float("nan"), None)
        False
        """
        if not math.isfinite(value):
            return False
        return best is None or (value < best if self.mode == "min" else value > best)


class OnEpoch(Technique, ABC):
    """Base class of techniques that decide at the end of each epoch whether training stops.

    Everything that a technique remembers is in its state, so that a resumed run continues exactly as before.
    """

    watches_progress: ClassVar[bool] = True
    """Whether it stops training that no longer improves, rather than at fixed bounds."""

    @abstractmethod
    def monitor_spec(self) -> MonitorSpec:
        """Which epoch counts as the best, and whether its weights are kept."""

    @abstractmethod
    def start(self) -> StopState:
        """The state before the first epoch."""

    @abstractmethod
    def observe(self, state: StopState, epoch: int, metrics: Mapping[str, float]) -> tuple[StopState, Decision]:
        """Decide after an epoch.

        Args:
            state: the state after the previous epoch. It must not be modified.
            epoch: the epoch's number, from 1.
            metrics: the epoch's row of the History: column → value.

        Returns:
            The next state and the decision.
        """
