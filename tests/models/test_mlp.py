from __future__ import annotations

import pytest
import torch
from torch import nn

from goodfit.errors import InputError
from goodfit.models import mlp


def test_layers() -> None:
    assert [type(layer) for layer in mlp(4, 3, (8, 5))] == [nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]
    assert [tuple(p.shape) for p in mlp(4, 3, (8, 5)).parameters()] == [(8, 4), (8,), (5, 8), (5,), (3, 5), (3,)]
    assert [type(layer) for layer in mlp(4, 3, ())] == [nn.Linear]


def test_images_are_flattened() -> None:
    assert mlp((2, 4, 5), 3)(torch.zeros(7, 2, 4, 5)).shape == (7, 3)
    assert mlp((6,), 3)(torch.zeros(7, 6)).shape == (7, 3)


@pytest.mark.parametrize(("shape", "outputs", "hidden"), [(0, 2, ()), (3, 0, ()), (3, 2, (4, 0)), ((2, 0), 2, (4,))])
def test_sizes(shape: int | tuple[int, ...], outputs: int, hidden: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="mlp: every size must be at least 1"):
        mlp(shape, outputs, hidden)
