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
    """Weighs the loss of each row by its class, so that rare classes count as much as frequent ones.

    Formula: cost = mean of w · loss over the rows, w = (n / (C · n_c))^strength for a row of class c, divided by the
    mean of that over the training rows; n rows in all, n_c of the class, C classes. Strength 1: scikit-learn's
    "balanced"; 0: all rows alike. A soft target takes the mean weight of its classes. The loss of the History stays
    the one without weights; the term is the difference.

    Shape: y (batch,) class numbers or (batch, class) probabilities; losses (batch,); of masks one more height and width
    each. A loss that gives a single number for the whole batch is an error.

    Helps when: classes are unbalanced and the metric treats them alike (balanced accuracy, macro F1).
    Hurts when: predicted probabilities are used as such (they become those of balanced classes), a rare class has
    very few rows, or together with `ClassBalance` (corrects twice).

    >>> loss, shares = torch.tensor([1.0, 1.0, 1.0, 2.0]), torch.tensor([0.75, 0.25])
    >>> x, y = torch.zeros(4, 1), torch.tensor([0, 0, 0, 1])
    >>> seen = ForwardPass(abs, x, y, torch.zeros(4, 2), loss, frequencies=shares)
    >>> loss.mean() + ClassWeights(1.0).term(seen, ())
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
        unit="power of the balanced weight",
        doc="0: all rows alike; 1: all classes alike",
    )

    def draw(self, forward: ForwardPass, generator: torch.Generator) -> Draw:
        return ()

    def term(self, forward: ForwardPass, draw: Draw) -> Tensor:
        rows, shares, y = forward.row_losses, forward.frequencies, forward.y
        if rows is None:
            raise InputError(
                "ClassWeights: the loss must give one number per row, got one in all; return the rows' losses "
                "(reduction='none')."
            )
        if shares is None:
            raise InputError("ClassWeights: the shares of the classes must be known, got none; give `frequencies`.")
        excess = self._weights(shares.to(rows.dtype)) - 1  # (class,)
        if y.is_floating_point():
            extra = (y.to(rows.dtype) * excess.reshape(-1, *[1] * (y.ndim - 2))).sum(1)  # (batch, …)
        else:
            extra = excess[y.long()]
        return (extra * rows).mean()

    def _weights(self, shares: Tensor) -> Tensor:
        """One weight per class; a class without training rows weighs as one of average size."""
        present = shares > 0
        balanced = torch.where(present, 1 / (present.sum() * shares), 1.0) ** self.strength
        return balanced * (shares.sum() / (shares * balanced).sum())
