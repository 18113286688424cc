"""`augment`: augment a batch in the user's own loop or data set, with masks and boxes."""

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
from goodfit.train.stages.augmentation import BatchAugmenter, combined_warp
from goodfit.train.stages.hooks import StepContext


@dataclass(frozen=True, eq=False)
class Augmented:
    """An augmented batch. Masks and boxes are None if the batch has none.

    Shape: x (batch, …); masks (batch, height, width); boxes (batch, boxes, 4), clipped to the image; visible
    (batch, boxes), the share of each box's area inside the image.
    """

    x: Tensor
    masks: Tensor | None = None
    boxes: Tensor | None = None
    visible: Tensor | None = None


def augment(
    x: Tensor,
    recipe: Recipe | Technique | str,
    *,
    masks: Tensor | None = None,
    boxes: Tensor | None = None,
    inputs: Inputs | None = None,
    generator: torch.Generator | None = None,
) -> Augmented:
    """Augment a batch of training samples, each sample at random. Other techniques of the recipe have no effect here.

    Args:
        x: inputs (batch, …).
        recipe: a recipe with augmentations.
        masks: masks of images (batch, height, width) of any dtype, transformed with the images by their nearest pixels;
            pixels from beyond the border get class 0.
        boxes: (batch, boxes, 4): left, top, right and bottom in pixels; they become the smallest upright boxes around
            their transformed corners.
        inputs: the data kind of x and its range of values; by default inferred from its shape and values.
        generator: the source of random numbers, on x's device; by default torch's own.

    >>> image, boxes = torch.tensor([[[[1.0, 2.0, 3.0]]]]), torch.tensor([[[0.0, 0.0, 1.0, 1.0]]])
    >>> batch = augment(image, "horizontal_flip=1.0", boxes=boxes)
    >>> batch.x.tolist(), batch.boxes.tolist()
    ([[[[3.0, 2.0, 1.0]]]], [[[2.0, 0.0, 3.0, 1.0]]])

    Raises:
        InputError: the recipe has no augmentation, or one that cannot act on x; masks or boxes do not fit the images x.
    """
    recipe = Recipe.of(recipe)
    if not recipe.at(Augmentation):
        raise InputError(f"augment: the recipe must have an augmentation such as rotation=15, got {recipe.text()!r}.")
    _check_shapes(x, masks, boxes)
    context = StepContext(generator or _default_generator(x))
    augmenter = BatchAugmenter(recipe, context, inputs or Inputs.of(x), ())
    y = x.new_zeros(len(x)) if masks is None else masks
    augmenter.check(x, y)
    drawn = augmenter.draw(x, y)
    augmented, y = augmenter.apply(x, y, drawn)
    warped = visible = None
    if boxes is not None:
        spatial = [a for a in drawn if isinstance(a.technique, SpatialTransform)]
        warped, visible = warp_boxes(boxes, *combined_warp(x, spatial), (x.shape[-2], x.shape[-1]))
    return Augmented(augmented, None if masks is None else y, warped, visible)


def _check_shapes(x: Tensor, masks: Tensor | None, boxes: Tensor | None) -> None:
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


def _default_generator(x: Tensor) -> torch.Generator:
    """A generator on x's device, seeded from torch's own."""
    generator = torch.Generator(x.device)
    generator.manual_seed(int(torch.randint(2**62, ())))
    return generator
