"""What the linter is told of a training."""

from __future__ import annotations

from goodfit.data import Split
from goodfit.linter import Context
from goodfit.train.settings import Training


def context(split: Split, training: Training, loss: str) -> Context:
    """What is known before training begins; `loss`: the name of the data loss that was chosen."""
    features = split.preprocessing.features if split.preprocessing else None
    return Context(
        optimizer=training.optimizer, batch_size=training.batch_size, accumulate=training.accumulate,
        epochs=training.epochs, metric=training.metric, loss=loss, task=split.spec.task, rows=len(split.train),
        stop_rows=len(split.stop), integer_inputs=not split.train.x.is_floating_point(),
        categories=bool(getattr(features, "categories", ())), own_loop=False,
    )  # fmt: skip
