"""Augmentation of a training batch: what moves pixels as one resampling, masks alike, then values in their order."""

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
from goodfit.train.stages.hooks import StepContext

PLACE = "augment"


@dataclass(frozen=True)
class Act:
    """An augmentation at work on some samples of a batch."""

    technique: Augmentation
    rows: Tensor  # whom it changes (batch,)
    draw: Draw


@dataclass
class BatchAugmenter:
    """The augmentations of a recipe."""

    recipe: Recipe
    source: StepContext
    inputs: Inputs
    classes: Sequence[str]  # none: the targets are numbers

    def __post_init__(self) -> None:
        self.techniques = self.recipe.at(Augmentation)
        self.kind = self.inputs.data_kind
        self.named = [_numbers(technique, self.classes) for technique in self.techniques]

    def check(self, x: Tensor) -> None:
        """Refuse inputs that an augmentation cannot change."""
        fills = {t.fill: t for t in map(_first, self.techniques) if isinstance(t, MatrixWarp | DisplacementWarp)}
        if len(fills) > 1:
            (one, first), (other, second), *_ = fills.items()
            raise InputError(
                f"{type(second).__name__}: all that moves pixels is one resampling, with one fill; got fill={other!r} "
                f"beside fill={one!r} of {type(first).__name__}; give both the same."
            )
        for technique in self.techniques:
            match = self.kind.accepts(technique, x.shape[1], self.inputs.words is not None)
            if not match:
                raise InputError(f"{type(technique).__name__}: {match.reason}")

    def __call__(self, x: Tensor, y: Tensor, only: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The inputs (batch, …) and targets to train on.

        y: class numbers (batch,), probabilities (batch, class) or numbers, which stay as they are; masks (batch,
        height, width) or (batch, class, height, width) move with their images. only: who may be changed (batch,); none
        given: everyone.
        """
        return self.applied(x, y, self.acts(x, y, only))

    def acts(self, x: Tensor, y: Tensor, only: Tensor | None = None) -> list[Act]:
        """What is drawn for a batch: which augmentation changes whom, and how."""
        self._check_masks(is_masks(x, y))
        return [act if only is None else replace(act, rows=act.rows & only) for act in self._drawn(x, y)]

    def applied(self, x: Tensor, y: Tensor, acts: Sequence[Act]) -> tuple[Tensor, Tensor]:
        """The batch as these acts make it."""
        made, moving = x, [act for act in acts if isinstance(act.technique, SpatialTransform)]
        if moving:
            made, y = self._moved(x, moving), self._moved_masks(y, moving) if is_masks(x, y) else y
        for act in acts:
            if isinstance(act.technique, ValueTransform):
                made = self._altered(made, act.technique, act, own=self.source.eager and _apart(made, x))
        return made, y

    def _check_masks(self, masked: bool) -> None:
        """Refuse what masks cannot follow."""
        for technique, named in zip(self.techniques, self.named, strict=True):
            if masked and (named or not technique.keeps_masks):
                why = "classes= names classes of samples" if named else "masks cannot follow what it does to images"
                raise InputError(f"{type(technique).__name__}: {why}; the targets are masks. Leave it out.")

    def _drawn(self, x: Tensor, y: Tensor) -> Iterator[Act]:
        for number, (technique, named) in enumerate(zip(self.techniques, self.named, strict=True)):
            place = f"{PLACE} {number}"
            acting = self.source.now(technique, place)
            rows, *drawn = self.source.draw(acting, place, x, y)
            if named:
                rows = rows & _among(y, named)
            draw = tuple(d.to(x.dtype) if d.is_floating_point() and x.is_floating_point() else d for d in drawn)
            if isinstance(acting, AugmentationPolicy):
                for part, (some, told) in zip(acting.operations(), acting.assignments(draw), strict=True):
                    yield Act(part, rows & some, told)
            else:
                yield Act(acting, rows, draw)

    def _moved_masks(self, y: Tensor, acts: Sequence[Act]) -> Tensor:
        """Masks moved as their images: each pixel gets the value of the nearest one, or, beyond the border, 0.

        So probabilities (batch, class, height, width) are all 0 there, and such pixels count for nothing.
        """
        return self._moved(y if y.is_floating_point() else y.float(), acts, nearest=True).to(y.dtype)

    def _moved(self, x: Tensor, acts: Sequence[Act], nearest: bool = False) -> Tensor:
        """Everything that moves pixels, as one resampling; samples that nothing moves keep their bits."""
        if all(isinstance(act.technique, Flip) for act in acts):
            for act in acts:
                axes = act.technique.axes  # type: ignore[attr-defined]
                x = self._where(act.rows, x, lambda some, axes=axes: some.flip(axes), ())
            return x
        matrix, field = ways(x, acts)
        flat = not any(isinstance(act.technique, SpatialTransform) and act.technique.projective for act in acts)
        fill = next(a.technique.fill for a in acts if isinstance(a.technique, MatrixWarp | DisplacementWarp))
        black = 0.0 if nearest else self.inputs.low
        moved = (matrix != torch.eye(3, dtype=x.dtype, device=x.device)).flatten(1).any(1)
        if field is not None:
            moved = moved | (field != 0).flatten(1).any(1)

        def move(some: Tensor, matrix: Tensor, field: Tensor | None = None) -> Tensor:
            return warp_images(some, matrix, field, fill, black, affine=flat, nearest=nearest)

        return self._where(moved, x, move, (matrix,) if field is None else (matrix, field))

    def _altered(self, x: Tensor, technique: ValueTransform, act: Act, own: bool) -> Tensor:
        """One alteration; own: x is nobody else's, and may be overwritten."""

        def alter(some: Tensor, *draw: Tensor) -> Tensor:
            found = technique.transform(some, draw, self.inputs)
            if not self.kind.bounded or not technique.may_leave_range:
                return found
            fresh = self.source.eager and _apart(found, some)
            return (found.clamp_ if fresh else found.clamp)(self.inputs.low, self.inputs.high)

        if not technique.independent_samples:
            return torch.where(per_sample(act.rows, x), alter(x, *act.draw), x)
        return self._where(act.rows, x, alter, act.draw, own)

    def _where(self, rows: Tensor, x: Tensor, change: Callable[..., Tensor], told: Draw, own: bool = False) -> Tensor:
        """The samples (batch, …) with those that `rows` marks changed; `told` has a row for each sample."""
        if not self.source.eager or x.is_cuda:  # which ones must not be asked in a program, and costs time on a GPU
            return torch.where(per_sample(rows, x), change(x, *told), x)
        chosen = rows.nonzero().flatten()
        if len(chosen) == 0:
            return x
        if len(chosen) == len(x):
            return change(x, *told)
        changed = change(x[chosen], *(t[chosen] for t in told))
        return (x.index_copy_ if own else x.index_copy)(0, chosen, changed)


def ways(x: Tensor, acts: Sequence[Act]) -> tuple[Tensor, Tensor | None]:
    """The source of each pixel of x (batch, …, height, width): matrices and a field, as `warp_images` takes them."""
    size = x.shape[-2], x.shape[-1]
    still = torch.eye(3, dtype=x.dtype, device=x.device)
    matrix, field = still.expand(len(x), 3, 3), None
    for act in acts:
        technique, rows = act.technique, act.rows[:, None, None]
        if isinstance(technique, MatrixWarp | Flip):
            matrix = matrix @ torch.where(rows, technique.matrix(act.draw, size).to(x), still)
        elif isinstance(technique, DisplacementWarp):
            own = technique.displacement(act.draw, size) * rows[..., None]
            field = own if field is None else field + own
    return matrix, field


def _apart(a: Tensor, b: Tensor) -> bool:
    """Whether two tensors have no memory in common."""
    return a.untyped_storage().data_ptr() != b.untyped_storage().data_ptr()


def _among(y: Tensor, classes: Sequence[int]) -> Tensor:
    """Which targets, class numbers (batch,) or probabilities (batch, class), are of these classes."""
    if y.is_floating_point():
        return sum((y[:, c] for c in classes), torch.zeros_like(y[:, 0])) > 0.5
    return (y[:, None] == torch.tensor(classes, device=y.device)).any(1)


def _first(technique: Augmentation) -> Augmentation:
    """The technique, or a policy's first part that moves pixels."""
    parts = technique.operations() if isinstance(technique, AugmentationPolicy) else ()
    return next((part for part in parts if isinstance(part, MatrixWarp | DisplacementWarp)), technique)


def _numbers(technique: Augmentation, classes: Sequence[str]) -> list[int]:
    """The numbers of the classes that a technique names; none: all of them."""
    names = [name.strip() for name in technique.classes.split(",") if name.strip()]
    who = type(technique).__name__
    if names and not classes:
        raise InputError(f"{who}: classes={technique.classes!r} names classes; the target is a number. Leave it out.")
    for name in names:
        if name not in classes:
            raise InputError(f"{who}: classes must name classes of the data, got {name!r}.{near(name, classes)}")
    return [list(classes).index(name) for name in names]
