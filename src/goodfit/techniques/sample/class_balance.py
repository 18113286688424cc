"""Class balance: rare classes drawn more often."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from goodfit.errors import InputError
from goodfit.reference import Reference
from goodfit.stages import OnSample
from goodfit.technique import knob


class ClassBalance(OnSample):
    """Draws the rows of rare classes several times per epoch.

    Formula: an epoch holds n_c^(1 − strength) · n_max^strength rows of class c, rounded up; n_c is its number of rows
    and n_max that of the largest class. Strength 1: all classes alike; 0: the rows as they are. Every row is drawn
    at least once, and rows of a class differ by at most one in how often; which ones are drawn once more is random,
    anew in each epoch.

    With augment="repeats" the recipe's augmentations leave the first drawing of a row in an epoch as it is: with 1000
    dogs and 100 cats they change only the 900 cats that were drawn again.

    Shape: y (n,) class numbers (targets that are numbers are an error), rows (n,) → (n′,), n′ ≥ n.

    Helps when: classes are unbalanced and the metric treats them alike (balanced accuracy, macro F1).
    Hurts when: predicted probabilities are used as such (they become those of balanced classes), a rare class has
    very few rows (they are learned by heart), or together with `ClassWeights` (corrects twice).

    >>> y, g = torch.tensor([0, 0, 0, 0, 1]), torch.Generator()
    >>> ClassBalance(1.0).rows(y, torch.arange(5), g)
    tensor([0, 1, 2, 3, 4, 4, 4, 4])
    >>> ClassBalance(0.5).rows(y, torch.arange(5), g)
    tensor([0, 1, 2, 3, 4, 4])
    """

    references = (
        Reference(
            authors=("M. Buda", "A. Maki", "M. A. Mazurowski"),
            title="A systematic study of the class imbalance problem in convolutional neural networks",
            venue="Neural Networks",
            volume="106",
            year=2018,
            url="https://arxiv.org/abs/1710.05381",
        ),
        Reference(
            authors=("B. Kang", "et al."),
            title="Decoupling representation and classifier for long-tailed recognition",
            venue="ICLR",
            year=2020,
            topic="powers between",
            url="https://arxiv.org/abs/1910.09217",
        ),
    )
    strength: float = knob(
        default=1.0,
        low=0,
        high=1,
        search=(0.0, 1.0),
        neutral=0.0,
        unit="power",
        doc="0: rows as they are; 1: as many rows of every class",
    )

    augment: str = knob(
        default="all",
        choices=("all", "repeats"),
        kw_only=True,
        doc="which drawings the recipe's augmentations change: all, or only those of a row that was drawn before",
    )

    def rows(self, y: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        if y.is_floating_point() or y.ndim != 1:
            raise InputError("ClassBalance: it acts on one class label per row; the targets have none. Leave it out.")
        members = [rows[y[rows.to(y.device)].to(rows.device) == c] for c in y.unique().tolist()]
        largest = max(map(len, members), default=0)
        return torch.cat([rows, *(_repeats(own, self._count(len(own), largest), generator) for own in members)])

    def _count(self, own: int, largest: int) -> int:
        """How many rows of a class of `own` rows an epoch draws."""
        wanted = math.pow(own, 1 - self.strength) * math.pow(largest, self.strength)
        return min(largest, math.ceil(round(wanted, 6)))  # rounded, so that √3 · √27 is 9, and not a little more


def _repeats(own: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """The rows to add to `own`, so that they are `count`."""
    if len(own) == 0:
        return own
    whole, rest = divmod(count, len(own))
    again = [own] * (whole - 1)
    # Nothing is drawn where nothing is left over, so that the order of rows is as without the technique.
    if rest:
        again.append(own[torch.randperm(len(own), generator=generator, device=generator.device)[:rest].to(own.device)])
    return torch.cat(again) if again else own[:0]
