"""Augments a training batch: all spatial transforms as one resampling, masks too, then value transforms in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.data.masks import is_masks
from goodfit.errors import InputError, near
from goodfit.ops.broadcast import per_sample
from goodfit.ops.image_warp import warp_images
from goodfit.recipe import Recipe
from goodfit.stages import (
    Augmentation,
    AugmentationPolicy,
    DisplacementWarp,
    Draw,
    Flip,
    MatrixWarp,
    SpatialTransform,
    ValueTransform,
)
from goodfit.train.stages.hooks import SiteKey, StepContext


@dataclass(frozen=True)
class AppliedAugmentation:
    """An augmentation with its random numbers for one batch."""

    technique: Augmentation
    mask: Tensor  # the samples that it changes (batch,)
    draw: Draw


@dataclass
class BatchAugmenter:
    """The augmentations of a recipe."""

    recipe: Recipe
    context: StepContext
    inputs: Inputs
    classes: Sequence[str]  # their names; empty if the targets are numbers

    def __post_init__(self) -> None:
        self.techniques = self.recipe.at(Augmentation)
        self.kind = self.inputs.data_kind
        self.sites = [SiteKey("augment", number) for number in range(len(self.techniques))]
        self.selected_classes = [_class_indices(technique, self.classes) for technique in self.techniques]

    def check(self, x: Tensor, y: Tensor) -> None:
        """Check that the augmentations can change inputs x (batch, …) with targets y (batch, …).

        Raises:
            InputError: an augmentation does not fit the inputs, or the targets are masks and it does not fit them.
        """
        if self.techniques and is_masks(x, y):
            self._check_masks()
        fills = {t.fill: t for t in map(_spatial_part, self.techniques) if isinstance(t, MatrixWarp | DisplacementWarp)}
        if len(fills) > 1:
            (one, first), (other, second), *_ = fills.items()
            raise InputError(
                f"{type(second).__name__}: fill must be the same for all spatial transforms, which share one "
                f"resampling, got fill={other!r} and fill={one!r} of {type(first).__name__}; choose one."
            )
        for technique in self.techniques:
            match = self.kind.accepts(technique, x.shape[1], self.inputs.words is not None)
            if not match:
                raise InputError(f"{type(technique).__name__}: {match.reason}")

    def __call__(self, x: Tensor, y: Tensor, augment_mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The inputs and targets to train on.

        Args:
            x: inputs (batch, …).
            y: class indices (batch,), probabilities (batch, class) or numbers, which are returned unchanged; masks
                (batch, height, width) or (batch, class, height, width) are transformed with their images.
            augment_mask: mask (batch,) of the samples that may be augmented; None: all.
        """
        return self.apply(x, y, self.draw(x, y, augment_mask))

    def draw(self, x: Tensor, y: Tensor, augment_mask: Tensor | None = None) -> list[AppliedAugmentation]:
        """Draw the random numbers for a batch: the samples that each augmentation changes, and how."""
        drawn = self._draw(x, y)
        return [a if augment_mask is None else replace(a, mask=a.mask & augment_mask) for a in drawn]

    def apply(self, x: Tensor, y: Tensor, drawn: Sequence[AppliedAugmentation]) -> tuple[Tensor, Tensor]:
        """The augmented batch."""
        augmented, spatial = x, [a for a in drawn if isinstance(a.technique, SpatialTransform)]
        if spatial:
            augmented, y = self._warp(x, spatial), self._warp_masks(y, spatial) if is_masks(x, y) else y
        for a in drawn:
            if isinstance(a.technique, ValueTransform):
                overwrite = self.context.eager and not _share_memory(augmented, x)
                augmented = self._transform_values(augmented, a.technique, a, overwrite)
        return augmented, y

    def _check_masks(self) -> None:
        for technique, classes in zip(self.techniques, self.selected_classes, strict=True):
            if classes or not technique.keeps_masks:
                why = "classes= selects samples by class" if classes else "it has no equivalent for masks"
                raise InputError(f"{type(technique).__name__}: {why}; the targets are masks. Leave it out.")

    def _draw(self, x: Tensor, y: Tensor) -> Iterator[AppliedAugmentation]:
        for technique, site, classes in zip(self.techniques, self.sites, self.selected_classes, strict=True):
            current = self.context.resolve(technique, site)
            mask, *numbers = self.context.draw(current, site, x, y)
            if classes:
                mask = mask & _is_of_classes(y, classes)
            draw = tuple(d.to(x.dtype) if d.is_floating_point() and x.is_floating_point() else d for d in numbers)
            if isinstance(current, AugmentationPolicy):
                for operation, (chosen, own_draw) in zip(current.operations(), current.assignments(draw), strict=True):
                    yield AppliedAugmentation(operation, mask & chosen, own_draw)
            else:
                yield AppliedAugmentation(current, mask, draw)

    def _warp_masks(self, y: Tensor, spatial: Sequence[AppliedAugmentation]) -> Tensor:
        """Masks transformed like their images: each pixel gets the value of the nearest pixel, beyond the border 0.

        Probabilities (batch, class, height, width) are all 0 there, so that these pixels do not count in the loss.
        """
        return self._warp(y if y.is_floating_point() else y.float(), spatial, nearest=True).to(y.dtype)

    def _warp(self, x: Tensor, spatial: Sequence[AppliedAugmentation], nearest: bool = False) -> Tensor:
        """All spatial transforms as one resampling; samples that none of them changes keep their bits."""
        if all(isinstance(a.technique, Flip) for a in spatial):
            for a in spatial:
                axes = a.technique.axes  # type: ignore[attr-defined]
                x = self._where(a.mask, x, lambda samples, axes=axes: samples.flip(axes), ())
            return x
        matrix, field = combined_warp(x, spatial)
        affine = not any(isinstance(a.technique, SpatialTransform) and a.technique.projective for a in spatial)
        fill = next(a.technique.fill for a in spatial if isinstance(a.technique, MatrixWarp | DisplacementWarp))
        black = 0.0 if nearest else self.inputs.low
        moved = (matrix != torch.eye(3, dtype=x.dtype, device=x.device)).flatten(1).any(1)
        if field is not None:
            moved = moved | (field != 0).flatten(1).any(1)

        def warp(samples: Tensor, matrix: Tensor, field: Tensor | None = None) -> Tensor:
            return warp_images(samples, matrix, field, fill, black, affine=affine, nearest=nearest)

        return self._where(moved, x, warp, (matrix,) if field is None else (matrix, field))

    def _transform_values(
        self, x: Tensor, technique: ValueTransform, applied: AppliedAugmentation, overwrite: bool
    ) -> Tensor:
        """One value transform; `overwrite`: x may be overwritten."""

        def transform(samples: Tensor, *draw: Tensor) -> Tensor:
            transformed = technique.transform(samples, draw, self.inputs)
            if not self.kind.bounded or not technique.may_leave_range:
                return transformed
            in_place = self.context.eager and not _share_memory(transformed, samples)
            return (transformed.clamp_ if in_place else transformed.clamp)(self.inputs.low, self.inputs.high)

        if not technique.independent_samples:
            return torch.where(per_sample(applied.mask, x), transform(x, *applied.draw), x)
        return self._where(applied.mask, x, transform, applied.draw, overwrite)

    def _where(
        self, mask: Tensor, x: Tensor, change: Callable[..., Tensor], draw: Draw, overwrite: bool = False
    ) -> Tensor:
        """The samples (batch, …), changed where the mask (batch,) is true; `draw` has one row per sample."""
        if not self.context.eager or x.is_cuda:  # stacked programs cannot branch on the mask; on a GPU it costs time
            return torch.where(per_sample(mask, x), change(x, *draw), x)
        chosen = mask.nonzero().flatten()
        if len(chosen) == 0:
            return x
        if len(chosen) == len(x):
            return change(x, *draw)
        changed = change(x[chosen], *(t[chosen] for t in draw))
        return (x.index_copy_ if overwrite else x.index_copy)(0, chosen, changed)


def combined_warp(x: Tensor, spatial: Sequence[AppliedAugmentation]) -> tuple[Tensor, Tensor | None]:
    """The source of each pixel of x (batch, …, height, width): matrices and a field, as `warp_images` takes them."""
    size = x.shape[-2], x.shape[-1]
    identity = torch.eye(3, dtype=x.dtype, device=x.device)
    matrix, field = identity.expand(len(x), 3, 3), None
    for a in spatial:
        technique, mask = a.technique, a.mask[:, None, None]
        if isinstance(technique, MatrixWarp | Flip):
            matrix = matrix @ torch.where(mask, technique.matrix(a.draw, size).to(x), identity)
        elif isinstance(technique, DisplacementWarp):
            displacement = technique.displacement(a.draw, size) * mask[..., None]
            field = displacement if field is None else field + displacement
    return matrix, field


def _share_memory(a: Tensor, b: Tensor) -> bool:
    return a.untyped_storage().data_ptr() == b.untyped_storage().data_ptr()


def _is_of_classes(y: Tensor, classes: Sequence[int]) -> Tensor:
    """Mask (batch,) of the targets, class indices (batch,) or probabilities (batch, class), of these classes."""
    if y.is_floating_point():
        return sum((y[:, c] for c in classes), torch.zeros_like(y[:, 0])) > 0.5
    return (y[:, None] == torch.tensor(classes, device=y.device)).any(1)


def _spatial_part(technique: Augmentation) -> Augmentation:
    """The technique, or the first spatial transform of a policy."""
    parts = technique.operations() if isinstance(technique, AugmentationPolicy) else ()
    return next((part for part in parts if isinstance(part, MatrixWarp | DisplacementWarp)), technique)


def _class_indices(technique: Augmentation, classes: Sequence[str]) -> list[int]:
    """The indices of the classes that a technique is restricted to; empty if it acts on all classes."""
    names = [name.strip() for name in technique.classes.split(",") if name.strip()]
    who = type(technique).__name__
    if names and not classes:
        raise InputError(f"{who}: classes={technique.classes!r} names classes; the target is a number. Leave it out.")
    for name in names:
        if name not in classes:
            raise InputError(f"{who}: classes must name classes of the data, got {name!r}.{near(name, classes)}")
    return [list(classes).index(name) for name in names]
