"""A split made of tensors that the user has already divided."""

from __future__ import annotations

import numpy as np
import torch

from goodfit.data.checks import quoted
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
    """A split of parts that you have divided and preprocessed yourself; nothing is scaled.

    float16 and bfloat16 become float32, and class numbers int64; nothing else is copied.

    Args:
        train, stop, validation, test: inputs and targets of each part. Without `validation` or `test` the stop rows
            take their place, and the split's `note` says so.
        name: the name of the data.
        kind: the data kind (see `goodfit.data.kinds`); without it, inputs of two dimensions are tables, of three
            series, of four images, of five clips. Rows of kind "text" are word ids, 0 after the end of a text and 1 for
            unknown words.

    Shape: x (rows, …) float, for texts whole numbers; y (rows,) int64 class numbers, (rows,) or (rows, outputs) floats,
    or masks (rows, height, width) of whole numbers for images.

    Raises:
        InputError: shapes or types that do not match each other, or classes that are negative or not in train.
    """
    parts = {"train": train, "stop": stop, "validation": validation or stop, "test": test or stop}
    _check_inputs(parts, kind)
    shaped = {k: (_single_precision(x), _plain_target(y)) for k, (x, y) in parts.items()}
    _check_targets({k: y for k, (_, y) in shaped.items()})
    spec = _spec(shaped, name, kind)
    others = {k: Part(x, y, np.arange(len(x))) for k, (x, y) in shaped.items() if k != "train"}
    note = "" if validation and test else "validation and test are the stop rows where they were not given"
    note = "; ".join(filter(None, (note, _absent(spec, shaped["train"][1]))))
    return Split(TrainPart(*shaped["train"], np.arange(len(train[0]))), **others, spec=spec, preprocessing=None, seed=0,
                 how="given", duplicates=_duplicates(shaped), note=note)  # fmt: skip


def _check_inputs(parts: dict[str, tuple[torch.Tensor, torch.Tensor]], kind: str | None) -> None:
    """Refuse parts whose shapes or types differ."""
    whole = kind is not None and kind_named(kind).whole_numbers
    shape = parts["train"][0].shape[1:]
    for part, (x, y) in parts.items():
        if len(x) != len(y) or x.shape[1:] != shape or x.is_floating_point() == whole:
            raise InputError(
                f"from_tensors: {part} must be {'whole-number' if whole else 'float'} rows of shape {tuple(shape)} "
                f"with one target each, got x {tuple(x.shape)} {x.dtype}, y {tuple(y.shape)}; convert or reshape them."
            )


def _single_precision(x: torch.Tensor) -> torch.Tensor:
    """float32 instead of float16 and bfloat16, which NumPy and most networks do not accept."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def _plain_target(y: torch.Tensor) -> torch.Tensor:
    """Floats (rows, outputs), class numbers as int64, masks as uint8 or int64."""
    if y.is_floating_point():
        return _single_precision(y).reshape(len(y), -1)
    return y if y.ndim > 1 and y.dtype == torch.uint8 else y.long()


def _check_targets(targets: dict[str, torch.Tensor]) -> None:
    """Refuse targets that differ in type or row shape, and classes that train does not have."""
    train = targets["train"]
    for part, y in targets.items():
        if y.is_floating_point() != train.is_floating_point() or y.shape[1:] != train.shape[1:]:
            raise InputError(
                f"from_tensors: targets of {part} must have the type and the row shape of those of train, "
                f"{train.dtype} {tuple(train.shape[1:])}, got {y.dtype} {tuple(y.shape[1:])}; convert or reshape them."
            )
        if y.is_floating_point() or not y.numel():
            continue
        low, high, last = int(y.min()), int(y.max()), int(train.max())
        if low < 0:
            raise InputError(
                f"from_tensors: class numbers must be 0 or larger, got {low} in {part}; number the classes from 0."
            )
        if high > last:
            raise InputError(
                f"from_tensors: classes of {part} must be in train, whose largest class is {last}, got {high}; add "
                f"such rows to train, or leave them out of {part}."
            )


def _absent(spec: TaskSpec, y: torch.Tensor) -> str:
    """A note about classes without training rows."""
    counts = torch.bincount(y.flatten(), minlength=len(spec.classes)).tolist() if spec.classes else []
    absent = [name for name, count in zip(spec.classes, counts, strict=True) if not count]
    return f"there is no training row of class {quoted(absent)}" if absent else ""


def _spec(parts: dict[str, tuple[torch.Tensor, torch.Tensor]], name: str, kind: str | None) -> TaskSpec:
    x, y = parts["train"]
    task: Task = "regression" if y.is_floating_point() else "segmentation" if y.ndim > 1 else "classification"
    if task == "segmentation" and not is_masks(x, y):
        raise InputError(
            "from_tensors: whole-number targets must have the shape (rows,), or (rows, height, width) of images x "
            f"{tuple(x.shape)}, got {tuple(y.shape)}; for one-hot rows give y.argmax(1), for numbers y.float()."
        )
    classes = () if task == "regression" else tuple(str(c) for c in range(int(y.max()) + 1))
    outputs = y.shape[1] if task == "regression" else len(classes)
    every = torch.cat([x for x, _ in parts.values()]) if not x.is_floating_point() else x
    return TaskSpec(task, "y", classes, tuple(x.shape[1:]), outputs, name, Inputs.of(every, kind))


def _duplicates(parts: dict[str, tuple[torch.Tensor, torch.Tensor]]) -> Duplicates:
    codes = row_codes(*(x.detach().cpu().numpy() for x, _ in parts.values()))
    ends = np.cumsum([len(x) for x, _ in parts.values()])
    return count_duplicates(dict(zip(parts, np.split(codes, ends[:-1]), strict=True)))
