"""The precision in which sounds are transformed."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.stages import Draw
from goodfit.stages.sound_base import SoundTransform

received: list[torch.dtype] = []


class Recorder(SoundTransform):
    """Adds its draw to a sound and records the dtypes that it receives."""

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return ()

    def transform_sound(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        received[:] = [x.dtype, *(d.dtype for d in draw)]
        return x + draw[0]


@pytest.mark.parametrize(
    ("dtype", "wide"),
    [
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_half_precision_becomes_single_precision_inside(dtype: torch.dtype, wide: torch.dtype) -> None:
    x, added, position = torch.ones(1, 1, 2, dtype=dtype), torch.tensor([0.5], dtype=dtype), torch.tensor([3])
    result = Recorder().transform(x, (added, position), Inputs("sound", -1.0, 1.0))
    assert received == [wide, wide, torch.int64]
    assert result.dtype == dtype
    assert result.tolist() == [[[1.5, 1.5]]]
