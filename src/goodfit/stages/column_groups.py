"""Groups of table columns: the one-hot columns of a category form one group, every other column is its own group."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs

ColumnGroups = tuple[tuple[int, int], ...]


def share_within_groups(values: Tensor, inputs: Inputs) -> Tensor:
    """Replace the values (batch, column) of a group's columns by that of its first column.

    >>> share_within_groups(torch.tensor([[1, 2, 3, 4]]), Inputs(groups=((1, 3),)))
    tensor([[1, 2, 2, 4]])
    """
    if not inputs.groups:
        return values
    return values.index_select(1, torch.tensor(_first_columns(inputs.groups, values.shape[1]), device=values.device))


def one_per_group(values: Tensor, inputs: Inputs) -> Tensor:
    """Keep the value of each group's first column: (batch, column) → (batch, group).

    >>> one_per_group(torch.tensor([[1, 2, 3, 4]]), Inputs(groups=((1, 3),)))
    tensor([[1, 2, 4]])
    """
    if not inputs.groups:
        return values
    firsts = sorted(set(_first_columns(inputs.groups, values.shape[1])))
    return values.index_select(1, torch.tensor(firsts, device=values.device))


def categorical_columns(columns: int, inputs: Inputs, device: torch.device) -> Tensor:
    """A mask (column,) of the one-hot columns of categories.

    >>> categorical_columns(4, Inputs(groups=((1, 3),)), torch.device("cpu"))
    tensor([False,  True,  True, False])
    """
    categorical = {column for first, end in inputs.groups for column in range(first, end)}
    return torch.tensor([column in categorical for column in range(columns)], device=device)


@lru_cache(maxsize=256)
def _first_columns(groups: ColumnGroups, columns: int) -> tuple[int, ...]:
    """For each column the first column of its group."""
    firsts = list(range(columns))
    for first, end in groups:
        firsts[first:end] = [first] * (end - first)
    return tuple(firsts)
