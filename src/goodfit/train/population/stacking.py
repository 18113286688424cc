"""Trees of members' tensors, one row for each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

Tree = Any


def stacked(trees: Sequence[Tree]) -> Tree:
    """Members' tensors, one row for each."""
    first, *others = trees
    return tree_map(lambda *tensors: torch.stack(tensors), first, *others)


def filled(tree: Tree, room: int) -> Tree:
    """Rows for so many members: the first one's again where there are fewer."""

    def fill(t: Tensor) -> Tensor:
        return t if len(t) >= room else torch.cat([t, t[:1].expand(room - len(t), *t.shape[1:])])

    return tree_map(fill, tree)


def joined(trees: Sequence[Tree]) -> Tree:
    """The rows of several trees, one behind the other."""
    first, *others = trees
    return tree_map(lambda *tensors: torch.cat(tensors), first, *others)


def first_of(tree: Tree, count: int) -> Any:
    """The first rows."""
    return tree_map(lambda t: t[:count], tree)


def row_of(tree: Tree, number: int) -> Tree:
    """A member's tensors, as a copy."""
    return tree_map(lambda t: t[number].clone(), tree)


def rows_of(tree: Tree, rows: Tensor) -> Tree:
    """Some members' tensors."""
    return tree_map(lambda t: t.index_select(0, rows), tree)


def put(tree: Tree, rows: Tensor, some: Tree) -> Tree:
    """The tree with some members' tensors in it."""
    return tree_map(lambda t, part: t.index_copy(0, rows, part), tree, some)


def chosen(mask: Tensor, new: Tree, old: Tree) -> Tree:
    """The new tensors of those members at which the mask is true, the old ones of others; mask (members,)."""
    return tree_map(lambda a, b: torch.where(mask.reshape(-1, *[1] * (a.ndim - 1)), a, b), new, old)
