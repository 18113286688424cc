"""Trees of members' tensors, one row for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import TreeSpec, tree_flatten, tree_map, tree_unflatten

Tree = Any


@dataclass(frozen=True, eq=False)
class Flat:
    """A tree taken apart: to do that anew in every step takes longer than some steps."""

    leaves: list[Tensor]
    spec: TreeSpec
    results: dict[object, list[Tensor]] = field(default_factory=dict, repr=False)  # of `computed`

    @classmethod
    def of(cls, tree: Tree, spec: TreeSpec | None = None) -> Flat:
        """The tensors of a tree, laid out in order: compiled programs count on it. `spec`: if it is known already."""
        if spec is None:
            leaves, spec = tree_flatten(tree)
        else:
            leaves = list(_leaves(tree))
        return cls([leaf.contiguous() for leaf in leaves], spec)

    def tree(self) -> Tree:
        """The tree again."""
        return self._tree

    @cached_property
    def _tree(self) -> Tree:
        return tree_unflatten(self.leaves, self.spec)

    def copied(self) -> Flat:
        """The same in other memory."""
        return Flat([leaf.clone() for leaf in self.leaves], self.spec)

    def computed(self, function: Callable[..., Sequence[Tensor]]) -> list[Tensor]:
        """What a function of the tensors gives, laid out in order; it is called once."""
        if function not in self.results:
            self.results[function] = [made.contiguous() for made in function(*self.leaves)]
        return self.results[function]

    def filled(self, room: int) -> Flat:
        """As `filled`."""
        if not self.leaves or len(self.leaves[0]) >= room:
            return self
        return Flat([_fill(leaf, room) for leaf in self.leaves], self.spec)

    def rows(self, rows: Tensor) -> Flat:
        """As `rows_of`."""
        return Flat([leaf.index_select(0, rows) for leaf in self.leaves], self.spec)

    def put(self, rows: Tensor, some: Flat) -> Flat:
        """The tree with some members' tensors in it."""
        pairs = zip(self.leaves, some.leaves, strict=True)
        return Flat([leaf.index_copy(0, rows, part) for leaf, part in pairs], self.spec)

    def first(self, count: int) -> Flat:
        """The first rows."""
        if not self.leaves or len(self.leaves[0]) <= count:
            return self
        return Flat([leaf[:count] for leaf in self.leaves], self.spec)


def _leaves(tree: Tree) -> Iterator[Tensor]:
    """Those of `tree_flatten`, in its order and a tenth of its time."""
    if isinstance(tree, Tensor):
        yield tree
        return
    for part in tree.values() if isinstance(tree, dict) else tree:
        yield from _leaves(part)


def stacked(trees: Sequence[Tree]) -> Tree:
    """Members' tensors, one row for each."""
    first, *others = trees
    return tree_map(lambda *tensors: torch.stack(tensors), first, *others)


def filled(tree: Tree, room: int) -> Tree:
    """Rows for so many members: the first one's again where there are fewer."""
    return tree_map(lambda t: _fill(t, room), tree)


def _fill(t: Tensor, room: int) -> Tensor:
    return t if len(t) >= room else torch.cat([t, t[:1].expand(room - len(t), *t.shape[1:])])


def joined(trees: Sequence[Tree]) -> Tree:
    """The rows of several trees, one behind the other."""
    first, *others = trees
    return tree_map(lambda *tensors: torch.cat(tensors), first, *others)


def row_of(tree: Tree, number: int) -> Tree:
    """A member's tensors, as a copy."""
    return tree_map(lambda t: t[number].clone(), tree)


def rows_of(tree: Tree, rows: Tensor) -> Tree:
    """Some members' tensors."""
    return tree_map(lambda t: t.index_select(0, rows), tree)


def chosen(mask: Tensor, new: Tree, old: Tree) -> Tree:
    """The new tensors of those members at which the mask is true, the old ones of others; mask (members,)."""
    return tree_map(lambda a, b: torch.where(mask.reshape(-1, *[1] * (a.ndim - 1)), a, b), new, old)
