"""The common behaviour of policies is tested in test_rand_augment.py."""

from __future__ import annotations

import torch

from goodfit.techniques import TrivialAugment


def test_one_operation_of_any_strength() -> None:
    technique, rows = TrivialAugment(), 8000
    chosen, level = technique.sample(torch.zeros(rows, 1, 2, 2), torch.Generator().manual_seed(0))
    acting = torch.stack([some for some, _ in technique.assignments((chosen, level))])
    assert torch.equal(acting.sum(0), (chosen < 13).long())
    assert float(level.abs().max()) > 0.99
    assert abs(float(level.mean())) < 4 * (1 / 3 / rows) ** 0.5
