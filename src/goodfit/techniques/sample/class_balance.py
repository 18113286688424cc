"""Class balance: draw rare classes more often."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.errors import InputError
from goodfit.ops.class_sizes import balanced_size
from goodfit.reference import Reference
from goodfit.stages import OnSample
from goodfit.technique import knob


class ClassBalance(OnSample):
    """Draws the rows of rare classes several times per epoch (oversampling).

    Formula: an epoch contains n_c^(1 − strength) · n_max^strength rows of class c, rounded up, where n_c is the number
    of rows of the class and n_max that of the largest class. Strength 1: all classes have the same number of rows; 0:
    the rows are unchanged. Every row is drawn at least once, and the counts of two rows of a class differ by at most
    one; the rows that are drawn once more are chosen at random in each epoch.

    With augment="repeats", the recipe's augmentations leave the first occurrence of a row in an epoch unchanged: with
    1000 dogs and 100 cats they change only the 900 repeated cats.

    Shape: y (n,) class numbers (numeric targets are an error), rows (n,) → (n′,), n′ ≥ n.

    Helps when: classes are imbalanced and the metric treats them equally (balanced accuracy, macro F1).
    Hurts when: predicted probabilities are used as such (they become those of balanced classes), a rare class has very
    few rows (the network memorizes them), or `ClassWeights` is used too (corrects twice).

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
            topic="exponents between 0 and 1",
            url="https://arxiv.org/abs/1910.09217",
        ),
    )
    strength: float = knob(
        default=1.0,
        low=0,
        high=1,
        search=(0.0, 1.0),
        neutral=0.0,
        unit="exponent",
        doc="0: rows are unchanged; 1: all classes get the same number of rows",
    )

    augment: str = knob(
        default="all",
        choices=("all", "repeats"),
        kw_only=True,
        doc="which occurrences of a row the recipe's augmentations change: all, or only repeated ones",
    )

    def rows(self, y: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        if y.is_floating_point() or y.ndim != 1:
            raise InputError(
                f"ClassBalance: the targets must be one class number per row, got {y.dtype} of shape {tuple(y.shape)}; "
                "leave it out."
            )
        classes = [rows[y[rows.to(y.device)].to(rows.device) == c] for c in y.unique().tolist()]
        largest = max(map(len, classes), default=0)
        sizes = [balanced_size(len(c), largest, self.strength) if len(c) else 0 for c in classes]
        return torch.cat([rows, *(_repeats(c, size, generator) for c, size in zip(classes, sizes, strict=True))])


def _repeats(members: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """The rows to append to `members`, so that there are `count`."""
    if len(members) == 0:
        return members
    whole, rest = divmod(count, len(members))
    repeats = [members] * (whole - 1)
    # Without a remainder nothing is drawn from the generator, so that the order of rows is that of the plain network.
    if rest:
        order = torch.randperm(len(members), generator=generator, device=generator.device)
        repeats.append(members[order[:rest].to(members.device)])
    return torch.cat(repeats) if repeats else members[:0]
