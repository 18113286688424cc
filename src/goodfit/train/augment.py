"""Augmentation of a batch in a loop or a data set of the user's own, with masks and boxes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.data.masks import is_masks
from goodfit.errors import InputError
from goodfit.ops.boxes import warp_boxes
from goodfit.recipe import Recipe
from goodfit.stages import Augmentation, SpatialTransform
from goodfit.technique import Technique
from goodfit.train.stages.augmentation import BatchAugmenter, ways
from goodfit.train.stages.hooks import StepContext


@dataclass(frozen=True, eq=False)
class Augmented:
    """A batch after augmentation: what was not given is None.

    Shape: x (batch, …); masks (batch, height, width); boxes (batch, boxes, 4), cut off at the image's border; seen
    (batch, boxes), the share of each box's area that was not cut off.
    """

    x: Tensor
    masks: Tensor | None = None
    boxes: Tensor | None = None
    seen: Tensor | None = None


def augment(
    x: Tensor,
    recipe: Recipe | Technique | str,
    *,
    masks: Tensor | None = None,
    boxes: Tensor | None = None,
    inputs: Inputs | None = None,
    generator: torch.Generator | None = None,
) -> Augmented:
    """A batch of training samples as the augmentations of a recipe make it, each sample by a draw of its own.

    `inputs` tells what x is and which values are black and white (without it: by its shape and values; see `Inputs`).
    Masks of images move with them, by their nearest pixels; what comes in from beyond the border is of class 0. Boxes
    (left, top, right, bottom in pixels) become the upright boxes around what was in them. `generator`: where random
    numbers come from, on x's device; without it torch's own one. Other techniques of the recipe do nothing here.

    Shape: x (batch, …), masks (batch, height, width) of any dtype, boxes (batch, boxes, 4).

    >>> image, boxes = torch.tensor([[[[1.0, 2.0, 3.0]]]]), torch.tensor([[[0.0, 0.0, 1.0, 1.0]]])
    >>> made = augment(image, "horizontal_flip=1.0", boxes=boxes)
    >>> made.x.tolist(), made.boxes.tolist()
    ([[[[3.0, 2.0, 1.0]]]], [[[2.0, 0.0, 3.0, 1.0]]])

    Raises:
        InputError: no augmentation, or one that cannot act on x; masks or boxes that are not those of images x.
    """
    chosen = Recipe.of(recipe)
    if not chosen.at(Augmentation):
        raise InputError(f"augment: the recipe must hold an augmentation such as rotation=15, got {chosen.text()!r}.")
    if masks is not None and not (masks.ndim == 3 and len(masks) == len(x) and is_masks(x, masks)):
        raise InputError(
            f"augment: masks must have the shape (batch, height, width) of images x {tuple(x.shape)}, got "
            f"{tuple(masks.shape)}."
        )
    if boxes is not None and not (x.ndim == 4 and boxes.ndim == 3 and boxes.shape[::2] == (len(x), 4)):
        raise InputError(
            f"augment: boxes must have the shape (batch, boxes, 4) for images x {tuple(x.shape)}, got "
            f"{tuple(boxes.shape)}."
        )
    augmenting = BatchAugmenter(chosen, StepContext(generator or _torch_s(x)), inputs or Inputs.of(x), ())
    augmenting.check(x)
    y = x.new_zeros(len(x)) if masks is None else masks
    acts = augmenting.acts(x, y)
    made, y = augmenting.applied(x, y, acts)
    placed = seen = None
    if boxes is not None:
        moving = [act for act in acts if isinstance(act.technique, SpatialTransform)]
        placed, seen = warp_boxes(boxes, *ways(x, moving), (x.shape[-2], x.shape[-1]))
    return Augmented(made, None if masks is None else y, placed, seen)


def _torch_s(x: Tensor) -> torch.Generator:
    """A generator on x's device that goes on from torch's own one."""
    generator = torch.Generator(x.device)
    generator.manual_seed(int(torch.randint(2**62, ())))
    return generator
