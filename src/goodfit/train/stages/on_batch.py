"""The OnBatch stage of a step: what a training batch becomes before the network sees it, and inside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from goodfit.data import Split
from goodfit.data.inputs import Inputs
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.stages import Attack, Augmentation, BatchTransform, OnBatch, OnLoss
from goodfit.train.stages.augmentation import BatchAugmenter
from goodfit.train.stages.on_model import Attachment

Slope = Callable[[Tensor, Tensor], Tensor]
"""x, y → ∂loss/∂x."""


@dataclass(frozen=True, eq=False)
class DataStats:
    """What techniques need to know of the training rows."""

    classes: Sequence[str]  # their names; none: the targets are numbers
    scale: Tensor  # spread of the training inputs, () or (features,)
    inputs: Inputs

    @classmethod
    def of(cls, split: Split, recipe: Recipe) -> DataStats:
        """Those of a split; the spread is measured where an attack needs it."""
        x, spec = split.train.x, split.spec
        return cls(spec.classes, spread(x) if recipe.at(Attack) else torch.ones((), dtype=x.dtype), spec.inputs)


@dataclass
class BatchTransforms:
    """The OnBatch techniques of a recipe: augmentations, and then the others in the recipe's order."""

    recipe: Recipe
    attachment: Attachment
    facts: DataStats

    def __post_init__(self) -> None:
        self.techniques, self.classes = self.recipe.at(OnBatch), len(self.facts.classes)
        self.augmenting = BatchAugmenter(self.recipe, self.attachment.source, self.facts.inputs, self.facts.classes)
        self.softens = any(not isinstance(technique, Augmentation) for technique in self.techniques)
        self.outside = [t for t in self.techniques if isinstance(t, BatchTransform | Attack)]
        asking: list[OnBatch | OnLoss] = [*self.techniques, *self.recipe.at(OnLoss)]
        for technique in asking:
            who = type(technique).__name__
            if technique.needs_targets == "labels" and not self.classes:
                raise InputError(f"{who}: it acts on class labels; the target is a number. Leave it out.")
            if technique.needs_targets == "numbers" and self.classes:
                raise InputError(f"{who}: it acts on numbers; the target has classes. Leave it out.")

    def check(self, x: Tensor) -> None:
        """Refuse inputs that a technique cannot take."""
        for technique in self.techniques:
            if technique.needs_floats and not x.is_floating_point():
                raise InputError(
                    f"{type(technique).__name__}: the inputs must be numbers that can be blended, got {x.dtype} "
                    "(codes of tokens or categories); leave it out, or mix inside the network (manifold_mixup)."
                )
        groups = self.facts.inputs.groups
        if groups and (x.ndim != 2 or groups[-1][1] > x.shape[1]):
            raise InputError(
                f"inputs: groups={groups!r} are columns of rows (rows, columns); the inputs have the shape "
                f"{tuple(x.shape)}; give those of these columns."
            )
        self.augmenting.check(x)

    def soft(self, x: Tensor, y: Tensor) -> Tensor:
        """Class numbers (batch, …) as probabilities (batch, class, …), where a technique changes the batch."""
        if not self.softens or not self.classes or y.is_floating_point():
            return y
        kind = x.dtype if x.is_floating_point() else torch.get_default_dtype()
        return F.one_hot(y.long(), self.classes).movedim(-1, 1).to(kind)

    def __call__(self, x: Tensor, y: Tensor, slope: Slope, only: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The batch to train on; targets as `soft` gives them. only: whom augmentations may change (batch,)."""
        source = self.attachment.source
        if self.augmenting.techniques:
            x, y = self.augmenting(x, y, only)
        y = self.soft(x, y)
        for number, technique in enumerate(self.outside):
            place = f"batch {number}"
            acting = source.now(technique, place)
            draw = source.draw(acting, place, x, y)
            if isinstance(acting, Attack):
                x = acting.attack(x, slope(x, y), self.facts.scale, draw)
            elif isinstance(acting, BatchTransform):
                x, y = acting.transform_batch(x, y, draw, self.facts.inputs)
        return x, y

    def mix(self, x: Tensor, y: Tensor) -> Tensor:
        """Draw the mixing inside the network for the rows of one forward pass; their targets."""
        source = self.attachment.source
        for number, technique, layers in self.attachment.mixing:
            place = f"mix {number}"
            acting = source.now(technique, place)
            source.mixes[number] = source.mix(acting, place, layers, x, y)
            y = acting.targets(y, source.mixes[number][1])
        return y


def spread(x: Tensor) -> Tensor:
    """The standard deviation of training inputs x (n, …): per column of a table (features,), else over all entries ().

    >>> spread(torch.tensor([[0.0, 5.0], [2.0, 5.0]]))
    tensor([1., 0.])
    """
    if not x.is_floating_point():
        return torch.ones(())
    return x.std(0, correction=0) if x.ndim == 2 else x.std(correction=0)
