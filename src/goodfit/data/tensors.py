"""A split made of tensors that the user has already divided."""

from __future__ import annotations

import numpy as np
import torch

from goodfit.data.duplicates import Duplicates, count_duplicates, row_codes
from goodfit.data.inputs import Inputs, Kind
from goodfit.data.masks import is_masks
from goodfit.data.split import Part, Split, TrainPart
from goodfit.data.task import TaskSpec
from goodfit.errors import InputError


def from_tensors(
    train: tuple[torch.Tensor, torch.Tensor],
    stop: tuple[torch.Tensor, torch.Tensor],
    validation: tuple[torch.Tensor, torch.Tensor] | None = None,
    test: tuple[torch.Tensor, torch.Tensor] | None = None,
    name: str = "tensors",
    kind: Kind | None = None,
) -> Split:
    """Parts that you divided and preprocessed yourself, taken as they are (nothing is copied or scaled).

    Shape: each (x (rows, …) float, y (rows,) int64 class indices, or (rows,) or (rows, outputs) floats, or masks (rows,
    height, width) of whole numbers for images). Without `validation` or `test` the stop rows
    take their place, and `note` says so. `kind`: what the rows are, where their shape does not say it (see `Inputs`):
    three dimensions are series, four are images; rows of "text" are the numbers of words, 0 where a text has ended and
    1 for unknown words.

    Raises:
        InputError: shapes or types that do not fit each other.
    """
    given = {"train": train, "stop": stop, "validation": validation or stop, "test": test or stop}
    for part, (x, y) in given.items():
        if len(x) != len(y) or x.shape[1:] != train[0].shape[1:] or x.is_floating_point() == (kind == "text"):
            what = "whole-number" if kind == "text" else "float"
            raise InputError(
                f"Split: {part} must be {what} rows of shape {tuple(train[0].shape[1:])} with one target each, "
                f"got x {tuple(x.shape)} {x.dtype}, y {tuple(y.shape)}."
            )
    numbers = train[1].is_floating_point()
    shaped = {k: (x, y.reshape(len(y), -1) if numbers else y) for k, (x, y) in given.items()}
    masks = not numbers and train[1].ndim > 1
    if masks and not is_masks(*train):
        raise InputError(
            f"Split: whole-number targets must have the shape (rows,), or (rows, height, width) of images x "
            f"{tuple(train[0].shape)}, got {tuple(train[1].shape)}."
        )
    classes = () if numbers else tuple(str(c) for c in range(int(train[1].max()) + 1))
    outputs = shaped["train"][1].shape[1] if numbers else len(classes)
    spec = TaskSpec(
        "regression" if numbers else "segmentation" if masks else "classification",
        "y",
        classes,
        tuple(train[0].shape[1:]),
        outputs,
        name,
        Inputs.of(torch.cat([x for x, _ in given.values()]) if kind == "text" else train[0], kind),
    )
    parts = {k: Part(x, y, np.arange(len(x))) for k, (x, y) in shaped.items() if k != "train"}
    note = "" if validation and test else "validation and test are the stop rows where they were not given"
    return Split(TrainPart(*shaped["train"], np.arange(len(train[0]))), **parts, spec=spec, preprocessing=None, seed=0,
                 how="given", duplicates=_duplicates(shaped), note=note)  # fmt: skip


def _duplicates(parts: dict[str, tuple[torch.Tensor, torch.Tensor]]) -> Duplicates:
    codes = row_codes(*(x.detach().cpu().numpy() for x, _ in parts.values()))
    ends = np.cumsum([len(x) for x, _ in parts.values()])
    return count_duplicates(dict(zip(parts, np.split(codes, ends[:-1]), strict=True)))
