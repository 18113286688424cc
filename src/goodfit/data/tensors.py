"""A split made of tensors that the user has already divided."""

from __future__ import annotations

import numpy as np
import torch

from goodfit.data.duplicates import Duplicates, count_duplicates, row_codes
from goodfit.data.inputs import Inputs
from goodfit.data.kinds import kind as kind_named
from goodfit.data.masks import is_masks
from goodfit.data.split import Part, Split, TrainPart
from goodfit.data.task import Task, TaskSpec
from goodfit.errors import InputError


def from_tensors(
    train: tuple[torch.Tensor, torch.Tensor],
    stop: tuple[torch.Tensor, torch.Tensor],
    validation: tuple[torch.Tensor, torch.Tensor] | None = None,
    test: tuple[torch.Tensor, torch.Tensor] | None = None,
    name: str = "tensors",
    kind: str | None = None,
) -> Split:
    """A split of parts that you have divided and preprocessed yourself; nothing is copied or scaled.

    Args:
        train, stop, validation, test: inputs and targets of each part. Without `validation` or `test` the stop rows
            take their place, and the split's `note` says so.
        name: the name of the data.
        kind: the data kind, where the shape does not say it (see `goodfit.data.kinds`): three dimensions are series,
            four are images. Rows of kind "text" are word numbers, 0 after the end of a text and 1 for unknown words.

    Shape: x (rows, …) float, for texts whole numbers; y (rows,) int64 class numbers, (rows,) or (rows, outputs) floats,
    or masks (rows, height, width) of whole numbers for images.

    Raises:
        InputError: shapes or types that do not match each other.
    """
    parts = {"train": train, "stop": stop, "validation": validation or stop, "test": test or stop}
    _check_inputs(parts, kind)
    regression = train[1].is_floating_point()
    shaped = {k: (x, y.reshape(len(y), -1) if regression else y) for k, (x, y) in parts.items()}
    spec = _spec(shaped, name, kind)
    others = {k: Part(x, y, np.arange(len(x))) for k, (x, y) in shaped.items() if k != "train"}
    note = "" if validation and test else "validation and test are the stop rows where they were not given"
    return Split(TrainPart(*shaped["train"], np.arange(len(train[0]))), **others, spec=spec, preprocessing=None, seed=0,
                 how="given", duplicates=_duplicates(shaped), note=note)  # fmt: skip


def _check_inputs(parts: dict[str, tuple[torch.Tensor, torch.Tensor]], kind: str | None) -> None:
    """Refuse parts whose shapes or types differ."""
    whole = kind is not None and kind_named(kind).whole_numbers
    shape = parts["train"][0].shape[1:]
    for part, (x, y) in parts.items():
        if len(x) != len(y) or x.shape[1:] != shape or x.is_floating_point() == whole:
            raise InputError(
                f"Split: {part} must be {'whole-number' if whole else 'float'} rows of shape {tuple(shape)} with one "
                f"target each, got x {tuple(x.shape)} {x.dtype}, y {tuple(y.shape)}."
            )


def _spec(parts: dict[str, tuple[torch.Tensor, torch.Tensor]], name: str, kind: str | None) -> TaskSpec:
    x, y = parts["train"]
    task: Task = "regression" if y.is_floating_point() else "segmentation" if y.ndim > 1 else "classification"
    if task == "segmentation" and not is_masks(x, y):
        raise InputError(
            f"Split: whole-number targets must have the shape (rows,), or (rows, height, width) of images x "
            f"{tuple(x.shape)}, got {tuple(y.shape)}."
        )
    classes = () if task == "regression" else tuple(str(c) for c in range(int(y.max()) + 1))
    outputs = y.shape[1] if task == "regression" else len(classes)
    every = torch.cat([x for x, _ in parts.values()]) if not x.is_floating_point() else x
    return TaskSpec(task, "y", classes, tuple(x.shape[1:]), outputs, name, Inputs.of(every, kind))


def _duplicates(parts: dict[str, tuple[torch.Tensor, torch.Tensor]]) -> Duplicates:
    codes = row_codes(*(x.detach().cpu().numpy() for x, _ in parts.values()))
    ends = np.cumsum([len(x) for x, _ in parts.values()])
    return count_duplicates(dict(zip(parts, np.split(codes, ends[:-1]), strict=True)))
