"""Base classes of techniques inside the network."""

from __future__ import annotations

import torch

from goodfit.ops.dropout import random_bits
from goodfit.techniques import Dropout, GaussianNoise, SpatialDropout


def test_the_network_s_input_has_its_own_strength() -> None:
    noise = GaussianNoise(0.5, input_stddev=0.1)
    first = noise.for_layer(first=True)
    assert first is not None
    assert (first.stddev, first.on) == (0.1, noise.on)
    assert noise.for_layer(first=False) is noise
    assert Dropout(0.5, input_rate=0.0).for_layer(first=True) is None


def test_bits_are_drawn_in_the_shape_that_the_technique_names() -> None:
    x = torch.zeros(4, 3, 5, 6)
    for technique in (Dropout(0.5), SpatialDropout(0.5)):
        (bits,) = technique.draw(x, torch.Generator().manual_seed(7))
        shape = technique.bits_shape(x)
        assert torch.equal(bits, random_bits(shape, x.device, torch.Generator().manual_seed(7)))
    assert tuple(SpatialDropout(0.5).bits_shape(x))[:2] == (4, 3)
    assert tuple(Dropout(0.5).bits_shape(x)) == (4, 3, 5, 6)
