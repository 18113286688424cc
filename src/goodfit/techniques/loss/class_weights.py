"""Class weights: rare classes count more in the loss."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.errors import InputError
from goodfit.reference import Reference
from goodfit.stages import Draw, ForwardPass, OnLoss
from goodfit.technique import knob


class ClassWeights(OnLoss):
    """Weights the loss of each sample by its class, so that rare classes count as much as frequent ones.

    Formula: cost = mean of w · loss over the samples, w = (n / (C · n_c))^strength for a sample of class c, divided by
    the mean of this weight over the training rows; n is the number of training rows, n_c the number in class c, and C
    the number of classes. Strength 1: scikit-learn's "balanced"; 0: all samples count equally. A soft target uses the
    mean weight of its classes. The loss in the History stays unweighted; the difference is the technique's term.

    Shape: y (batch,) class numbers or (batch, class) probabilities; losses (batch,); for masks, with two further
    dimensions height and width. A loss function that returns a single number for the batch is an error.

    Helps when: classes are imbalanced and the metric treats them equally (balanced accuracy, macro F1).
    Hurts when: predicted probabilities are used as such (they become those of balanced classes), a rare class has very
    few rows, or `ClassBalance` is used too (corrects twice).

    >>> loss, frequencies = torch.tensor([1.0, 1.0, 1.0, 2.0]), torch.tensor([0.75, 0.25])
    >>> x, y = torch.zeros(4, 1), torch.tensor([0, 0, 0, 1])
    >>> forward = ForwardPass(abs, x, y, torch.zeros(4, 2), loss, frequencies=frequencies)
    >>> loss.mean() + ClassWeights(1.0).term(forward, ())
    tensor(1.5000)
    """

    references = (
        Reference(
            authors=("G. King", "L. Zeng"),
            title="Logistic regression in rare events data",
            venue="Political Analysis",
            volume="9",
            number="2",
            year=2001,
            url="https://doi.org/10.1093/oxfordjournals.pan.a004868",
        ),
    )
    needs_targets: ClassVar[str] = "labels"
    strength: float = knob(
        default=1.0,
        low=0,
        high=1,
        search=(0.0, 1.0),
        neutral=0.0,
        unit="exponent",
        doc="exponent of the balanced weights; 0: all samples count equally; 1: all classes count equally",
    )

    def draw(self, forward: ForwardPass, generator: torch.Generator) -> Draw:
        return ()

    def term(self, forward: ForwardPass, draw: Draw) -> Tensor:
        losses, frequencies, y = forward.row_losses, forward.frequencies, forward.y
        if losses is None:
            raise InputError(
                "ClassWeights: the loss function must return one loss per sample, got one number for the batch; "
                "use reduction='none'."
            )
        if frequencies is None:
            raise InputError(
                "ClassWeights: the class frequencies must be known, got frequencies=None; pass data=(x, y) to attach."
            )
        excess = self._weights(frequencies.to(losses.dtype)) - 1  # (class,)
        if y.is_floating_point():
            extra = (y.to(losses.dtype) * excess.reshape(-1, *[1] * (y.ndim - 2))).sum(1)  # (batch, …)
        else:
            extra = excess[y.long()]
        return (extra * losses).mean()

    def _weights(self, frequencies: Tensor) -> Tensor:
        """One weight per class; a class without training rows has the weight of a class of average size."""
        present = frequencies > 0
        balanced = torch.where(present, 1 / (present.sum() * frequencies), 1.0) ** self.strength
        return balanced * (frequencies.sum() / (frequencies * balanced).sum())
