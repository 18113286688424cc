"""The operations of RandAugment and TrivialAugment."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from goodfit.techniques import Rotation
from goodfit.techniques.image._operations import NAMES, draw_at, largest


def test_operations_are_those_of_the_single_techniques(photos: Tensor) -> None:
    operations = largest("edge")
    assert len(operations) == len(NAMES) == 13
    level = torch.full((6,), 0.5, dtype=torch.float64)
    by_name = dict(zip(NAMES, operations, strict=True))
    turned = by_name["rotation"].matrix(draw_at("rotation", level), (12, 16))  # type: ignore[attr-defined]
    torch.testing.assert_close(turned, Rotation(15.0).matrix((level * 2,), (12, 16)))
    across = by_name["shear across"].matrix(draw_at("shear across", level), (12, 16))[0]  # type: ignore[attr-defined]
    assert float(across[1, 0]) == 0
    assert float(across[0, 1]) == pytest.approx(0.1468, abs=1e-4)  # the tangent of half the angle whose tangent is 0.3


def test_a_level_is_a_fraction_of_the_largest_strength() -> None:
    level = torch.tensor([0.5, -1.0])
    zero = torch.zeros(2)
    for name in NAMES:
        draw = draw_at(name, level)
        if name in ("auto-contrast", "equalize"):
            assert draw == ()  # they have no strength
        elif name.endswith("across"):
            assert torch.equal(torch.stack(draw), torch.stack([level, zero]))
        elif name.endswith("down"):
            assert torch.equal(torch.stack(draw), torch.stack([zero, level]))
        else:
            assert torch.equal(torch.stack(draw), level[None])
