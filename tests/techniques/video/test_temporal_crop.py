from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import TemporalCrop


def test_half_a_clip_is_played_at_half_the_speed(numbered_clips: Tensor) -> None:
    for where, expected in (
        (-1.0, [0, 0, 1, 1, 2, 2, 3, 3]),
        (0.0, [2, 2, 3, 3, 4, 4, 5, 5]),
        (1.0, [4, 4, 5, 5, 6, 6, 7, 7]),
    ):
        draw = torch.full((400,), -1.0), torch.full((400,), where)
        assert TemporalCrop(0.5).transform(numbered_clips, draw, Inputs("video"))[0, 0, :, 0, 0].tolist() == expected


def test_parts_have_any_length_and_position(numbered_clips: Tensor, augment: Callable[..., Tensor]) -> None:
    shown = augment(TemporalCrop(0.25), numbered_clips, inputs=Inputs("video", 0.0, 200.0))[:, 0, :, 0, 0]
    assert bool((shown.diff(dim=1) >= 0).all())
    lengths = shown[:, -1] - shown[:, 0] + 1
    assert set(lengths.tolist()) == {2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0}
    assert set(shown[:, 0].tolist()) >= {0.0, 1.0, 2.0, 3.0, 4.0, 5.0}
    assert set(shown[:, -1].tolist()) >= {2.0, 3.0, 4.0, 5.0, 6.0, 7.0}
