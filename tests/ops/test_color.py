from __future__ import annotations

import torch

from goodfit.ops.color import grayscale


def test_luminance_of_rgb_and_mean_of_other_channels() -> None:
    rgb = torch.eye(3).reshape(3, 3, 1, 1)
    torch.testing.assert_close(grayscale(rgb).flatten(), torch.tensor([0.299, 0.587, 0.114]))
    assert grayscale(torch.tensor([1.0, 3.0]).reshape(1, 2, 1, 1)).flatten().tolist() == [2.0]
