"""The OnSample stage in a loop of the user's own: the rows of each epoch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.stages import OnSample
from goodfit.train.rng import generator
from goodfit.train.stages.on_sample import epoch_rows


@dataclass(eq=False)
class EpochSampler:
    """Draws the rows of each epoch in a new order, as a recipe wants them; a sampler for a DataLoader."""

    recipe: Recipe
    y: Tensor | None  # targets of the training rows
    seed: int
    drawn: int = 0

    def rows(self) -> Tensor:
        """Row numbers of the next epoch (n′,): those that `fit` would draw."""
        self.drawn += 1
        return self._of(self.drawn)

    def __iter__(self) -> Iterator[int]:
        return iter(self.rows().tolist())

    def __len__(self) -> int:
        return len(self._of(0))

    def _of(self, epoch: int) -> Tensor:
        if self.y is None:
            raise InputError("attach: the training rows must be known to draw them; give attach(…, data=(x, y)).")
        return epoch_rows(self.recipe.at(OnSample), self.y, generator(self.seed, epoch, "order"))
