from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from goodfit.ops.image_warp import warp_images
from goodfit.techniques import Zoom


def test_in_and_out(photos: Tensor) -> None:
    spot = torch.zeros(2, 1, 15, 15, dtype=torch.float64)
    spot[..., 4:11, 4:11] = 1.0
    matrix = Zoom(1.0).matrix((torch.tensor([1.0, -1.0], dtype=torch.float64),), (15, 15))
    near, far = warp_images(spot, matrix, None, "black", 0.0, affine=True)
    assert float(near[0, 7].sum()) == pytest.approx(14, abs=1)
    assert float(far[0, 7].sum()) == pytest.approx(3.5, abs=0.6)
    torch.testing.assert_close(near, near.flip(-1, -2), rtol=0, atol=1e-12)  # about the centre


def test_zooming_in_and_out_are_equally_likely(largest: Callable[..., Tensor]) -> None:
    matrices = largest(Zoom(0.5), (10, 20))
    assert torch.equal(matrices[:, 0, 0], matrices[:, 1, 1])
    factors = matrices[:, 0, 0].log()
    assert float(factors.abs().max()) == pytest.approx(np.log(1.5), abs=1e-3)
    assert float(factors.mean()) == pytest.approx(0, abs=4 * np.log(1.5) / (3 * 2000) ** 0.5)
