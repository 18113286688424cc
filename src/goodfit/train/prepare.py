"""What the linter is told of a training."""

from __future__ import annotations

from collections.abc import Sequence

from goodfit.data import Split
from goodfit.errors import InputError
from goodfit.linter import Context, LintMessage
from goodfit.train.config import Training


def context(split: Split, training: Training, loss: str) -> Context:
    """What is known before training begins; `loss`: the name of the data loss that was chosen."""
    features = split.preprocessing.features if split.preprocessing else None
    counts = split.train.y.bincount() if split.spec.task == "classification" else None
    return Context(
        optimizer=training.optimizer, batch_size=training.batch_size, accumulate=training.accumulate,
        epochs=training.epochs, metric=training.metric, loss=loss, task=split.spec.task, rows=len(split.train),
        stop_rows=len(split.stop), integer_inputs=not split.train.x.is_floating_point(),
        categories=bool(getattr(features, "categories", ())), manual_loop=False,
        smallest_class=None if counts is None else int(counts[counts > 0].min()),
    )  # fmt: skip


def refuse_contradictions(messages: Sequence[LintMessage]) -> None:
    """Refuse a recipe that contradicts itself, the network or the data, with the linter's reason.

    Raises:
        InputError: a message is an error.
    """
    for message in messages:
        if message.severity == "error":
            raise InputError("recipe: " + str(message).removeprefix("error: "))
