from __future__ import annotations

import pytest
import torch

from goodfit.errors import InputError
from goodfit.models import build, cnn


@pytest.mark.parametrize("shape", [(2, 40), (3, 20, 24), (1, 8, 12, 12)])
def test_series_images_and_videos(shape: tuple[int, ...]) -> None:
    network = cnn(shape, 5, (4, 6))
    outputs = network(torch.randn(3, *shape))
    assert outputs.shape == (3, 5)
    outputs.sum().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in network.parameters() if p.ndim > 1)


def test_sizes_are_halved() -> None:
    network = cnn((3, 20, 24), 5, (4, 6))
    assert [tuple(p.shape) for p in network.parameters() if p.ndim > 1] == [
        (4, 3, 3, 3), (6, 4, 3, 3), (128, 6 * 5 * 6), (5, 128),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shape", "message"),
    [
        ("cnn", (20,), "cnn: inputs must be series, images or videos with channels first"),
        ("cnn:8-8-8", (1, 6, 6), "with 3 poolings by 2, sizes must be at least 8, got (6, 6); use fewer layers, such"),
        ("cnn:0", (1, 6, 6), "cnn: every size must be at least 1"),
        ("cnn:8x8", (1, 6, 6), "sizes must be written cnn:16-32, got 'cnn:8x8'"),
    ],
)
def test_errors(text: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError) as raised:
        build(text, shape, 2, seed=0)
    assert message in str(raised.value)


@pytest.mark.parametrize(("shape", "outputs"), [((1, 8, 8), 0), ((0, 8, 8), 2)])
def test_outputs_and_channels_are_at_least_1(shape: tuple[int, ...], outputs: int) -> None:
    with pytest.raises(InputError, match=rf"^cnn: every size must be at least 1, .*outputs {outputs}"):
        cnn(shape, outputs, (4,))
