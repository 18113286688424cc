"""What a batch costs: the data loss and the OnLoss terms, the same for one network and for a population."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from goodfit.data import Split
from goodfit.recipe import Recipe
from goodfit.train.losses import Criterion
from goodfit.train.stages.on_batch import BatchTransforms, DataStats
from goodfit.train.stages.on_loss import LossTerms, shares
from goodfit.train.stages.on_model import Attachment

Pass = Callable[[Tensor], Tensor]
"""x (batch, …) → the network's output."""


@dataclass
class Objective:
    """batch → OnBatch → forward and loss (+ OnLoss)."""

    attachment: Attachment
    criterion: Criterion
    batches: BatchTransforms
    terms: LossTerms

    @classmethod
    def of(cls, attachment: Attachment, recipe: Recipe, criterion: Criterion, split: Split) -> Objective:
        """The cost of a recipe's batches, with what its techniques need to know of the training rows."""
        x, y = split.train.x, split.train.y
        facts = DataStats.of(split, recipe)
        classes, batches = len(facts.classes), BatchTransforms(recipe, attachment, facts)
        batches.check(x)
        return cls(
            attachment, criterion, batches, LossTerms(recipe, attachment, shares(y, classes) if classes else None)
        )

    def __call__(self, network: Pass, again: Pass, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """The data loss of some rows, and the cost: that loss with the OnLoss terms added.

        `again`: a further pass, which changes nothing of the network.
        """
        if self.attachment.mixing:
            y = self.batches.mix(x, y)
        self.terms.begin()
        output = network(x)
        rows = self.criterion.rows(output, y)
        loss = rows.mean()
        if not self.terms.techniques:
            return loss, loss
        terms = self.terms.terms(again, x, y, output, rows if rows.ndim else None)
        return loss, sum(terms, loss)
