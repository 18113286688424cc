from __future__ import annotations

import numpy as np
import torch
from torch.func import vmap

from goodfit.ops.interpolate import interpolate_linear, take_frames, take_steps


def test_equals_numpy_interp() -> None:
    rng = np.random.default_rng(0)
    x, at = rng.normal(size=(4, 2, 9)), rng.uniform(-3, 12, size=(4, 9))
    result = interpolate_linear(torch.from_numpy(x), torch.from_numpy(at)).numpy()
    for row in range(4):
        for channel in range(2):
            np.testing.assert_allclose(
                result[row, channel], np.interp(at[row], np.arange(9), x[row, channel]), atol=1e-14
            )


def test_whole_numbers_keep_the_bits() -> None:
    x = torch.randn(3, 2, 7, generator=torch.Generator().manual_seed(0))
    steps = torch.arange(7.0).expand(3, 7)
    assert torch.equal(interpolate_linear(x, steps), x)
    assert torch.equal(take_steps(x, steps.long().flip(1)), x.flip(2))


def test_under_vmap() -> None:
    g = torch.Generator().manual_seed(0)
    x, at = torch.randn(5, 3, 2, 7, generator=g), 6 * torch.rand(5, 3, 7, generator=g)
    together = vmap(interpolate_linear)(x, at)
    assert all(torch.equal(together[k], interpolate_linear(x[k], at[k])) for k in range(5))


def test_frames_are_selected_per_clip() -> None:
    clips = torch.arange(24.0).reshape(2, 1, 3, 2, 2)
    result = take_frames(clips, torch.tensor([[0, 0, 2], [2, 1, 0]]))
    assert torch.equal(result[0], clips[0][:, [0, 0, 2]])
    assert torch.equal(result[1], clips[1].flip(1))
