from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from goodfit.techniques import Perspective

CORNERS = torch.tensor([[-1.0, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]], dtype=torch.float64)


def test_corners_map_to_the_drawn_positions() -> None:
    draw = (torch.rand(8, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1).unbind(0)
    matrices = Perspective(0.3).matrix(draw, (10, 20))
    halves = torch.tensor([10.0, 5.0], dtype=torch.float64)
    at = (CORNERS * torch.tensor([10.0, 5.0, 1.0], dtype=torch.float64)) @ matrices.mT  # (draw, corner, 3)
    result = at[..., :2] / at[..., 2:]
    moved = torch.stack([torch.stack(draw[:4], 1), torch.stack(draw[4:], 1)], -1)
    torch.testing.assert_close(result, (CORNERS[:, :2] + 0.3 * moved) * halves, rtol=0, atol=1e-9)


def test_straight_lines_stay_straight_and_no_image_is_inverted(largest: Callable[..., Tensor]) -> None:
    matrices = largest(Perspective(0.5), (10, 20)).double()
    assert bool((torch.linalg.det(matrices) > 0).all())
    depth = (CORNERS * torch.tensor([10.0, 5.0, 1.0], dtype=torch.float64)) @ matrices[:, 2].T
    assert bool((depth > 0).all())  # no corner is behind the camera
