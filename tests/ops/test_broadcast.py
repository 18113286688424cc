from __future__ import annotations

import torch

from goodfit.ops.broadcast import blend, maybe_nonzero, per_sample


def test_blend_by_hand() -> None:
    values, partner = torch.tensor([[0.0, 8.0], [4.0, 0.0], [1.0, 1.0]]), torch.tensor([1, 2, 0])
    assert blend(values, torch.tensor([0.75, 0.5, 1.0]), partner).tolist() == [[1.0, 6.0], [2.5, 0.5], [1.0, 1.0]]
    assert blend(values, torch.tensor([0.5]), partner).tolist() == [[2.0, 4.0], [2.5, 0.5], [0.5, 4.5]]


def test_one_value_per_sample_in_any_number_of_dimensions() -> None:
    values = torch.tensor([1.0, 2.0])
    for shape in ((2,), (2, 3), (2, 3, 4, 5)):
        spread = per_sample(values, torch.ones(shape)).expand(shape)
        assert bool((spread[0] == 1).all())
        assert bool((spread[1] == 2).all())


def test_only_the_number_zero_is_certainly_zero() -> None:
    assert not maybe_nonzero(0.0)
    assert maybe_nonzero(-0.5)
    assert maybe_nonzero(torch.zeros(3))
