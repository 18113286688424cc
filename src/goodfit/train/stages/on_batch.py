"""Runs the OnBatch stage: transforms the training batch, before the network and inside it."""

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
from goodfit.train.stages.hooks import SiteKey
from goodfit.train.stages.on_loss import class_shares
from goodfit.train.stages.on_model import Attachment

InputGradient = Callable[[Tensor, Tensor], Tensor]
"""x, y → ∂loss/∂x."""


@dataclass(frozen=True, eq=False)
class DataStats:
    """Properties of the training rows on which techniques depend."""

    classes: Sequence[str]  # their names; empty if the targets are numbers
    scale: Tensor  # standard deviation of the inputs, () or (features,)
    inputs: Inputs
    class_shares: Tensor | None = None  # (class,) shares of the classes, if there are classes

    @classmethod
    def of(cls, split: Split, recipe: Recipe) -> DataStats:
        """The properties of a split. The standard deviation is computed only if an adversarial technique needs it."""
        x, y, spec = split.train.x, split.train.y, split.spec
        scale = input_scale(x) if recipe.at(Attack) else torch.ones((), dtype=x.dtype)
        return cls(spec.classes, scale, spec.inputs, class_shares(y, len(spec.classes)) if spec.classes else None)


@dataclass
class BatchTransforms:
    """The OnBatch techniques of a recipe: augmentations first, then the others in the recipe's order."""

    recipe: Recipe
    attachment: Attachment
    stats: DataStats

    def __post_init__(self) -> None:
        self.techniques, self.classes = self.recipe.at(OnBatch), len(self.stats.classes)
        self.augmenter = BatchAugmenter(self.recipe, self.attachment.context, self.stats.inputs, self.stats.classes)
        self.needs_probabilities = any(not isinstance(technique, Augmentation) for technique in self.techniques)
        transforms = [t for t in self.techniques if isinstance(t, BatchTransform | Attack)]
        self.transforms = [(t, SiteKey("batch", number)) for number, t in enumerate(transforms)]

    def probabilities(self, x: Tensor, y: Tensor) -> Tensor:
        """Class indices (batch, …) as probabilities (batch, class, …), if a technique other than augmentation acts."""
        if not self.needs_probabilities or not self.classes or y.is_floating_point():
            return y
        dtype = x.dtype if x.is_floating_point() else torch.get_default_dtype()
        return F.one_hot(y.long(), self.classes).movedim(-1, 1).to(dtype)

    def __call__(
        self, x: Tensor, y: Tensor, input_gradient: InputGradient, augment_mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The batch to train on; class indices become probabilities as in `probabilities`.

        `augment_mask`: mask (batch,) of the samples that may be augmented; None: all.
        """
        context = self.attachment.context
        if self.augmenter.techniques:
            x, y = self.augmenter(x, y, augment_mask)
        y = self.probabilities(x, y)
        for technique, site in self.transforms:
            current = context.resolve(technique, site)
            draw = context.draw(current, site, x, y)
            if isinstance(current, Attack):
                x = current.attack(x, input_gradient(x, y), self.stats.scale, draw)
            elif isinstance(current, BatchTransform):
                x, y = current.transform_batch(x, y, draw, self.stats.inputs)
        return x, y

    def draw_hidden_mixes(self, x: Tensor, y: Tensor) -> Tensor:
        """Draw the mixing inside the network for one forward pass. Returns the mixed targets."""
        context = self.attachment.context
        for number, technique, layers in self.attachment.hidden_mixes:
            site = SiteKey("mix", number)
            current = context.resolve(technique, site)
            context.hidden_mixes[number] = context.draw_mix(current, site, layers, x, y)
            y = current.targets(y, context.hidden_mixes[number][1])
        return y


def check_targets(recipe: Recipe, stats: DataStats) -> None:
    """Check that the techniques can use the targets.

    Raises:
        InputError: a technique needs class labels and the targets are numbers, or the other way round.
    """
    techniques: list[OnBatch | OnLoss] = [*recipe.at(OnBatch), *recipe.at(OnLoss)]
    for technique in techniques:
        who = type(technique).__name__
        if technique.needs_targets == "labels" and not stats.classes:
            raise InputError(f"{who}: it acts on class labels; the target is a number. Leave it out.")
        if technique.needs_targets == "numbers" and stats.classes:
            raise InputError(f"{who}: it acts on numbers; the target has classes. Leave it out.")


def check_batch(transforms: BatchTransforms, x: Tensor, y: Tensor) -> None:
    """Check that the techniques can transform inputs x (batch, …) with targets y (batch, …).

    Raises:
        InputError: a technique does not fit the inputs, or the masks.
    """
    for technique in transforms.techniques:
        if technique.needs_floats and not x.is_floating_point():
            raise InputError(
                f"{type(technique).__name__}: the inputs must be numbers that can be blended, got {x.dtype} "
                "(codes of tokens or categories); leave it out, or mix inside the network (manifold_mixup)."
            )
    groups = transforms.stats.inputs.groups
    if groups and (x.ndim != 2 or groups[-1][1] > x.shape[1]):
        raise InputError(
            f"inputs: groups must be ranges of columns of inputs (rows, columns), got groups={groups!r} for inputs of "
            f"shape {tuple(x.shape)}; correct the groups."
        )
    transforms.augmenter.check(x, y)


def input_scale(x: Tensor) -> Tensor:
    """The standard deviation of inputs x (n, …): per column of a table (features,), else over all values ().

    >>> input_scale(torch.tensor([[0.0, 5.0], [2.0, 5.0]]))
    tensor([1., 0.])
    """
    if not x.is_floating_point():
        return torch.ones(())
    return x.std(0, correction=0) if x.ndim == 2 else x.std(correction=0)
