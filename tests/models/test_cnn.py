from __future__ import annotations

from typing import Any

import pytest
import torch

from goodfit.errors import InputError
from goodfit.models import build, cnn, resnet

SHAPES = [(2, 40), (3, 20, 24), (1, 8, 12, 12)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("make", [cnn, resnet])
def test_series_images_and_clips(make: Any, shape: tuple[int, ...]) -> None:
    network = make(shape, 5, (4, 6))
    found = network(torch.randn(3, *shape))
    assert found.shape == (3, 5)
    found.sum().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in network.parameters() if p.ndim > 1)


def test_sizes_halve_and_channels_are_those_asked_for() -> None:
    network = cnn((3, 20, 24), 5, (4, 6))
    assert [tuple(p.shape) for p in network.parameters() if p.ndim > 1] == [
        (4, 3, 3, 3), (6, 4, 3, 3), (128, 6 * 5 * 6), (5, 128),
    ]  # fmt: skip
    assert resnet((3, 20, 24), 5, (4, 6))[:5](torch.zeros(1, 3, 20, 24)).shape == (1, 6, 10, 12)


@pytest.mark.parametrize(
    ("text", "shape", "said"),
    [
        ("cnn", (20,), "cnn: inputs must be series, images or videos with channels first"),
        ("resnet", (20,), "resnet: inputs must be series, images or videos with channels first"),
        (
            "cnn:8-8-8",
            (1, 6, 6),
            "with 3 poolings by 2, sizes must be at least 8, got (6, 6); use fewer layers, such as cnn:8",
        ),
        ("cnn:0", (1, 6, 6), "cnn: every size must be at least 1"),
        ("resnet:4-0", (1, 6, 6), "resnet: every size must be at least 1"),
        ("cnn:8x8", (1, 6, 6), "sizes must be written cnn:16-32, got 'cnn:8x8'"),
    ],
)
def test_what_does_not_fit(text: str, shape: tuple[int, ...], said: str) -> None:
    with pytest.raises(InputError) as raised:
        build(text, shape, 2, seed=0)
    assert said in str(raised.value)
