"""Trees of stacked tensors; graphs without their constant part, or with results written in place."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from goodfit.train.population.graph import (
    Flat,
    concatenate,
    hoist_constants,
    overwrite_arguments,
    row_of,
    rows_of,
    stack,
    trace,
    where,
)

TREE = {"a": torch.tensor([[1.0, 2.0], [3.0, 4.0]]), "b": [torch.tensor([5.0, 6.0])]}
"""Two members."""


def lists(tree: Any) -> Any:
    """The tree {"a", "b"} as lists."""
    return tree["a"].tolist(), tree["b"][0].tolist()


def test_trees_of_members() -> None:
    assert lists(row_of(TREE, 1)) == ([3, 4], 6)
    assert lists(stack([row_of(TREE, 1), row_of(TREE, 0)])) == ([[3, 4], [1, 2]], [6, 5])
    assert lists(concatenate([TREE, rows_of(TREE, torch.tensor([1]))])) == ([[1, 2], [3, 4], [3, 4]], [5, 6, 6])
    negative = {"a": -TREE["a"], "b": [-TREE["b"][0]]}  # type: ignore[operator]
    assert lists(where(torch.tensor([True, False]), negative, TREE)) == ([[-1, -2], [3, 4]], [-5, 6])


def test_a_flat_tree_keeps_its_structure() -> None:
    flat = Flat.of(TREE)
    assert lists(flat.tree()) == lists(TREE)
    assert lists(Flat.of(TREE, flat.spec).tree()) == lists(TREE)
    assert lists(flat.rows(torch.tensor([1])).tree()) == ([[3, 4]], [6])
    assert lists(flat.put(torch.tensor([0]), flat.rows(torch.tensor([1]))).tree()) == ([[3, 4], [3, 4]], [6, 6])
    assert lists(flat.padded(3).tree()) == ([[1, 2], [3, 4], [1, 2]], [5, 6, 5])
    assert lists(flat.padded(3).first(2).tree()) == lists(TREE)
    assert flat.padded(2) is flat.first(2) is flat
    copied = flat.clone()
    copied.leaves[0].zero_()
    assert lists(flat.tree()) == lists(TREE)


def test_values_computed_from_a_flat_tree_are_computed_once() -> None:
    calls = []

    def double(a: Tensor, b: Tensor) -> list[Tensor]:
        calls.append(1)
        return [2 * a.T]

    flat = Flat.of(TREE)
    assert flat.computed(double)[0].is_contiguous()
    assert flat.computed(double)[0].tolist() == [[2, 6], [4, 8]]
    assert len(calls) == 1


def targets(graph: Any) -> list[str]:
    return [str(node.target) for node in graph.graph.nodes if node.op == "call_function"]


def function(state: Tensor, strength: Tensor, x: Tensor) -> Tensor:
    rate = (strength * 8).round() / 8  # small, depends on the constant only
    wide = strength.reshape(-1, 1).exp().expand(3, 50).contiguous()  # large, depends on the constant only
    return state * rate.reshape(-1, 1) + x * wide


def test_small_constants_are_hoisted_and_the_result_is_the_same() -> None:
    torch.manual_seed(0)
    arguments = [Flat.of(torch.rand(3, 50)), Flat.of(torch.rand(3)), Flat.of(torch.rand(3, 50))]
    graph, leaves, _ = trace(function, arguments)
    constants, rest, values = hoist_constants(graph, leaves, range(1, 2))
    assert "aten.round.default" in targets(constants)
    assert "aten.round.default" not in targets(rest)
    assert all(value.numel() <= 3 for value in values)  # large values are not hoisted
    torch.testing.assert_close(rest(*leaves, *values)[0], function(*leaves), rtol=0, atol=0)
    for leaf in leaves:
        leaf.mul_(2)  # other members: the graph must not contain values of the first ones
    torch.testing.assert_close(rest(*leaves, *constants(leaves[1]))[0], function(*leaves), rtol=0, atol=0)


def test_random_numbers_are_not_hoisted() -> None:
    def noisy(x: Tensor, strength: Tensor) -> Tensor:
        return x + strength * torch.rand_like(strength)

    graph, leaves, _ = trace(noisy, [Flat.of(torch.zeros(4)), Flat.of(torch.ones(4))])
    _, rest, values = hoist_constants(graph, leaves, range(1, 2))
    first, second = rest(*leaves, *values)[0], rest(*leaves, *values)[0]
    assert not torch.equal(first, second)


def test_results_overwrite_the_arguments_on_which_they_depend() -> None:
    def crossed(state: tuple[Tensor, ...], x: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
        a, b, c = state
        return (b, a.T.T, c), a + b + x

    a, b, c, x = (torch.full((2, 2), float(number)) for number in (1, 2, 3, 4))
    graph, leaves, _ = trace(crossed, [Flat.of((a, b, c)), Flat.of(x)])
    own = [leaf.clone() for leaf in leaves]
    (total,) = overwrite_arguments(graph, 3)(*own)
    assert [int(t[0, 0]) for t in [*own, total]] == [2, 1, 3, 4, 7]
    assert [int(t[0, 0]) for t in leaves] == [1, 2, 3, 4]
