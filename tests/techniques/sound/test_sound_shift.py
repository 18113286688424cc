from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import SoundShift

WAYS = torch.tensor([-1.0, -0.35, 0.0, 0.5, 1.0])


def test_silence_fills_the_gap(sound_inputs: Inputs) -> None:
    x = torch.rand(5, 2, 10) + 0.1
    result = SoundShift(0.4).transform(x, (WAYS,), sound_inputs)
    for row, way in enumerate((-4, -1, 0, 2, 4)):
        expected = np.zeros((2, 10), np.float32)
        whole = x[row].numpy()
        if way < 0:
            expected[:, :way] = whole[:, -way:]
        else:
            expected[:, way:] = whole[:, : 10 - way]
        assert np.array_equal(result[row].numpy(), expected)


def test_wrap_moves_the_end_to_the_beginning(sound_inputs: Inputs) -> None:
    x = torch.rand(5, 2, 10)
    result = SoundShift(0.4, fill="wrap").transform(x, (WAYS,), sound_inputs)
    for row, way in enumerate((-4, -1, 0, 2, 4)):
        assert np.array_equal(result[row].numpy(), np.roll(x[row].numpy(), way, -1))


def test_one_shift_per_sample(augment: Callable[..., Tensor]) -> None:
    x = torch.zeros(500, 1, 100)
    x[..., 50] = 1
    result = augment(SoundShift(0.2), x, inputs=Inputs("sound", -1.0, 1.0)).argmax(-1).flatten() - 50
    assert set(result.tolist()) >= set(range(-19, 20))
    assert int(result.abs().max()) == 20


def test_series_are_shifted_too(augment: Callable[..., Tensor]) -> None:
    x = torch.rand(40, 3, 30)
    result = augment(SoundShift(0.2, fill="wrap"), x, inputs=Inputs("series"))
    assert not torch.equal(result, x)
    assert torch.equal(result.sort(-1)[0], x.sort(-1)[0])
    assert torch.equal(augment(SoundShift(0.0), x, inputs=Inputs("series")), x)
