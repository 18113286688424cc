"""Operations on trees of stacked tensors, with one row per member."""

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
    """The leaves of a tree with its structure: flattening a tree in every step would take longer than some steps."""

    leaves: list[Tensor]
    spec: TreeSpec
    results: dict[object, list[Tensor]] = field(default_factory=dict, repr=False)  # of `computed`

    @classmethod
    def of(cls, tree: Tree, spec: TreeSpec | None = None) -> Flat:
        """The leaves of a tree, contiguous as compiled programs need them; `spec`: its structure, if it is known."""
        if spec is None:
            leaves, spec = tree_flatten(tree)
        else:
            leaves = list(_leaves(tree))
        return cls([leaf.contiguous() for leaf in leaves], spec)

    def tree(self) -> Tree:
        """The tree."""
        return self._tree

    @cached_property
    def _tree(self) -> Tree:
        return tree_unflatten(self.leaves, self.spec)

    def clone(self) -> Flat:
        """A copy of all leaves."""
        return Flat([leaf.clone() for leaf in self.leaves], self.spec)

    def computed(self, function: Callable[..., Sequence[Tensor]]) -> list[Tensor]:
        """The results of a function of the leaves, contiguous; they are computed once."""
        if function not in self.results:
            self.results[function] = [result.contiguous() for result in function(*self.leaves)]
        return self.results[function]

    def padded(self, size: int) -> Flat:
        """With at least `size` rows: the first row is repeated."""
        if not self.leaves or len(self.leaves[0]) >= size:
            return self
        return Flat([_pad(leaf, size) for leaf in self.leaves], self.spec)

    def rows(self, rows: Tensor) -> Flat:
        """The rows with these numbers."""
        return Flat([leaf.index_select(0, rows) for leaf in self.leaves], self.spec)

    def put(self, rows: Tensor, values: Flat) -> Flat:
        """A copy with other values in the rows with these numbers."""
        pairs = zip(self.leaves, values.leaves, strict=True)
        return Flat([leaf.index_copy(0, rows, part) for leaf, part in pairs], self.spec)

    def first(self, count: int) -> Flat:
        """The first `count` rows."""
        if not self.leaves or len(self.leaves[0]) <= count:
            return self
        return Flat([leaf[:count] for leaf in self.leaves], self.spec)


def _leaves(tree: Tree) -> Iterator[Tensor]:
    """The leaves in the order of `tree_flatten`, in a tenth of its time."""
    if isinstance(tree, Tensor):
        yield tree
        return
    for part in tree.values() if isinstance(tree, dict) else tree:
        yield from _leaves(part)


def stack(trees: Sequence[Tree]) -> Tree:
    """One row for each tree."""
    first, *others = trees
    return tree_map(lambda *tensors: torch.stack(tensors), first, *others)


def _pad(t: Tensor, size: int) -> Tensor:
    return t if len(t) >= size else torch.cat([t, t[:1].expand(size - len(t), *t.shape[1:])])


def concatenate(trees: Sequence[Tree]) -> Tree:
    """The rows of several trees, one after another."""
    first, *others = trees
    return tree_map(lambda *tensors: torch.cat(tensors), first, *others)


def row_of(tree: Tree, number: int) -> Tree:
    """A copy of one row."""
    return tree_map(lambda t: t[number].clone(), tree)


def rows_of(tree: Tree, rows: Tensor) -> Tree:
    """The rows with these numbers."""
    return tree_map(lambda t: t.index_select(0, rows), tree)


def where(mask: Tensor, new: Tree, old: Tree) -> Tree:
    """Rows of `new` where the mask (member,) is true, of `old` elsewhere."""
    return tree_map(lambda a, b: torch.where(mask.reshape(-1, *[1] * (a.ndim - 1)), a, b), new, old)
