"""Units of a table's columns: those that tell one category together are one, and every other column is its own."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs

Groups = tuple[tuple[int, int], ...]


def together(drawn: Tensor, inputs: Inputs) -> Tensor:
    """What was drawn for each column (batch, columns), with the columns of a unit sharing what its first one drew.

    >>> together(torch.tensor([[1, 2, 3, 4]]), Inputs(groups=((1, 3),)))
    tensor([[1, 2, 2, 4]])
    """
    if not inputs.groups:
        return drawn
    return drawn.index_select(1, torch.tensor(_owners(inputs.groups, drawn.shape[1]), device=drawn.device))


def per_unit(drawn: Tensor, inputs: Inputs) -> Tensor:
    """What was drawn for each column (batch, columns), once for each unit: (batch, units).

    >>> per_unit(torch.tensor([[1, 2, 3, 4]]), Inputs(groups=((1, 3),)))
    tensor([[1, 2, 4]])
    """
    if not inputs.groups:
        return drawn
    firsts = sorted(set(_owners(inputs.groups, drawn.shape[1])))
    return drawn.index_select(1, torch.tensor(firsts, device=drawn.device))


def codes(columns: int, inputs: Inputs, device: torch.device) -> Tensor:
    """Which columns (columns,) hold codes of categories, not numbers.

    >>> codes(4, Inputs(groups=((1, 3),)), torch.device("cpu"))
    tensor([False,  True,  True, False])
    """
    coded = {column for first, end in inputs.groups for column in range(first, end)}
    return torch.tensor([column in coded for column in range(columns)], device=device)


@lru_cache(maxsize=256)
def _owners(groups: Groups, columns: int) -> tuple[int, ...]:
    """For each column the first one of its unit."""
    found = list(range(columns))
    for first, end in groups:
        found[first:end] = [first] * (end - first)
    return tuple(found)
