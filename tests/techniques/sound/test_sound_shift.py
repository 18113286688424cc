from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import SoundShift

WAYS = torch.tensor([-1.0, -0.35, 0.0, 0.5, 1.0])


def test_silence_comes_in(heard: Inputs) -> None:
    x = torch.rand(5, 2, 10) + 0.1
    found = SoundShift(0.4).transform(x, (WAYS,), heard)
    for row, way in enumerate((-4, -1, 0, 2, 4)):
        wanted = np.zeros((2, 10), np.float32)
        whole = x[row].numpy()
        if way < 0:
            wanted[:, :way] = whole[:, -way:]
        else:
            wanted[:, way:] = whole[:, : 10 - way]
        assert np.array_equal(found[row].numpy(), wanted)


def test_the_end_comes_in_at_the_beginning(heard: Inputs) -> None:
    x = torch.rand(5, 2, 10)
    found = SoundShift(0.4, fill="wrap").transform(x, (WAYS,), heard)
    for row, way in enumerate((-4, -1, 0, 2, 4)):
        assert np.array_equal(found[row].numpy(), np.roll(x[row].numpy(), way, -1))


def test_each_sample_has_a_way_of_its_own(augment: Callable[..., Tensor]) -> None:
    x = torch.zeros(500, 1, 100)
    x[..., 50] = 1
    found = augment(SoundShift(0.2), x, inputs=Inputs("sound", -1.0, 1.0)).argmax(-1).flatten() - 50
    assert set(found.tolist()) >= set(range(-19, 20))
    assert int(found.abs().max()) == 20


def test_series_are_moved_too(augment: Callable[..., Tensor]) -> None:
    x = torch.rand(40, 3, 30)
    found = augment(SoundShift(0.2, fill="wrap"), x, inputs=Inputs("series"))
    assert not torch.equal(found, x)
    assert torch.equal(found.sort(-1)[0], x.sort(-1)[0])
    assert torch.equal(augment(SoundShift(0.0), x, inputs=Inputs("series")), x)
