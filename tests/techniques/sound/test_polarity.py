from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.techniques import Polarity


def test_half_of_the_samples_are_inverted(augment: Callable[..., Tensor]) -> None:
    x = torch.rand(400, 2, 10) * 0.9 + 0.05
    result = augment(Polarity(0.5), x, inputs=Inputs("sound", -1.0, 1.0))
    turned = (result < 0).flatten(1).all(1)
    assert 150 < int(turned.sum()) < 250
    assert torch.equal(result[turned], -x[turned])
    assert torch.equal(result[~turned], x[~turned])


def test_all_and_none(augment: Callable[..., Tensor]) -> None:
    x = torch.rand(40, 1, 10)
    assert torch.equal(augment(Polarity(1.0), x, inputs=Inputs("sound", -1.0, 1.0)), -x)
    assert torch.equal(augment(Polarity(0.0), x, inputs=Inputs("sound", -1.0, 1.0)), x)
