from __future__ import annotations

import torch

from goodfit.ops.color import grayscale


def test_grey_of_colours_and_of_other_channels() -> None:
    coloured = torch.eye(3).reshape(3, 3, 1, 1)
    torch.testing.assert_close(grayscale(coloured).flatten(), torch.tensor([0.299, 0.587, 0.114]))
    assert grayscale(torch.tensor([1.0, 3.0]).reshape(1, 2, 1, 1)).flatten().tolist() == [2.0]
