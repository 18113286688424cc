"""How to train, apart from the recipe: optimizer, schedule, batches."""

from __future__ import annotations

import math
from collections.abc import Callable

from goodfit.technique import Record, knob

OPTIMIZERS = ("adam", "adamw", "sgd")
SCHEDULES = ("constant", "cosine", "linear", "step")


class Training(Record):
    """The settings of a training run, apart from network, data and recipe.

    >>> Training(epochs=10, learning_rate=0.01).changed()
    {'epochs': 10, 'learning_rate': 0.01}
    """

    epochs: int = knob(default=30, low=1, unit="epochs", doc="passes over the training rows, at most")
    batch_size: int = knob(default=64, low=1, unit="rows", doc="rows per optimizer step")
    optimizer: str = knob(default="adam", choices=OPTIMIZERS, doc="torch's Adam, AdamW or SGD")
    learning_rate: float = knob(default=1e-3, low=0, open_left=True, high=float("inf"), open_right=True,
                                search=(1e-4, 1e-1), log=True, doc="peak learning rate")  # fmt: skip
    momentum: float = knob(default=0.9, low=0, high=1, open_right=True, doc="momentum of SGD")
    beta1: float = knob(default=0.9, low=0, high=1, open_right=True, doc="Adam: decay rate of the mean gradient")
    beta2: float = knob(
        default=0.999, low=0, high=1, open_right=True, doc="Adam: decay rate of the mean squared gradient"
    )
    schedule: str = knob(
        default="constant", choices=SCHEDULES, doc="learning rate after the warm-up; step: divided by 10 at 1/2 and 3/4"
    )
    warmup: float = knob(
        default=0.0,
        low=0,
        high=1,
        open_right=True,
        unit="share of all steps",
        doc="linear warm-up of the learning rate",
    )
    accumulate: int = knob(default=1, low=1, unit="parts", doc="parts in which a batch is computed, to save memory")
    loss: str = knob(default="auto", choices=("auto", "cross_entropy", "binary_cross_entropy", "mse", "mae", "huber"),
                     doc="loss function; auto: chosen by the task and the network's output")  # fmt: skip
    metric: str = knob(
        default="auto", doc="metric in addition to the loss; auto: chosen by the task and the class counts"
    )

    @property
    def rows_at_once(self) -> int:
        """The rows of a batch that are computed at once; larger batches are accumulated."""
        return -(-self.batch_size // self.accumulate)

    @property
    def constant_rate(self) -> bool:
        """Whether the learning rate stays the same during training."""
        return self.schedule == "constant" and not self.warmup

    def rate_at(self, step: int, total: int) -> float:
        """The learning rate of optimizer step `step` (from 0) out of `total`.

        >>> [round(Training(learning_rate=1.0, schedule="linear", warmup=0.5).rate_at(s, 4), 2) for s in range(4)]
        [0.5, 1.0, 1.0, 0.5]
        """
        warm = int(self.warmup * total)
        if step < warm:
            return self.learning_rate * (step + 1) / warm
        return self.learning_rate * SHAPES[self.schedule]((step - warm) / max(1, total - warm))


def _cosine(done: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * done))


SHAPES: dict[str, Callable[[float], float]] = {
    "constant": lambda done: 1.0,
    "cosine": _cosine,
    "linear": lambda done: 1.0 - done,
    "step": lambda done: 1.0 if done < 0.5 else 0.1 if done < 0.75 else 0.01,
}
