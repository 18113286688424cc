"""The proximal map that penalties share."""

from __future__ import annotations

import torch

from goodfit.stages import soft_threshold


def test_soft_threshold_by_hand() -> None:
    w = torch.tensor([0.3, -0.3, 0.5, 2.0, -2.0, 0.0])
    result = soft_threshold(w, 0.5, 1.0)
    assert result.tolist() == [0.0, 0.0, 0.0, 1.5, -1.5, 0.0]
    assert result is w  # in place


def test_each_weight_may_have_its_own_step_size() -> None:
    w, step = torch.tensor([1.0, 1.0, -1.0, -1.0]), torch.tensor([0.25, 4.0, 0.25, 4.0])
    assert soft_threshold(w, step, 0.5).tolist() == [0.875, 0.0, -0.875, 0.0]


def test_both_forms_agree_to_the_bit() -> None:
    w = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    assert torch.equal(soft_threshold(w.clone(), 0.1, 0.5), soft_threshold(w.clone(), torch.full((1000,), 0.1), 0.5))
