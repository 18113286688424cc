from __future__ import annotations

import pytest
import torch

from goodfit.errors import InputError
from goodfit.models import build, resnet


@pytest.mark.parametrize("shape", [(2, 40), (3, 20, 24), (1, 8, 12, 12)])
def test_series_images_and_videos(shape: tuple[int, ...]) -> None:
    network = resnet(shape, 5, (4, 6))
    outputs = network(torch.randn(3, *shape))
    assert outputs.shape == (3, 5)
    outputs.sum().backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in network.parameters() if p.ndim > 1)


def test_sizes_are_halved() -> None:
    assert resnet((3, 20, 24), 5, (4, 6))[:5](torch.zeros(1, 3, 20, 24)).shape == (1, 6, 10, 12)


@pytest.mark.parametrize(
    ("text", "shape", "message"),
    [
        ("resnet", (20,), "resnet: inputs must be series, images or videos with channels first"),
        ("resnet:4-0", (1, 6, 6), "resnet: every size must be at least 1"),
    ],
)
def test_errors(text: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError) as raised:
        build(text, shape, 2, seed=0)
    assert message in str(raised.value)


@pytest.mark.parametrize(("shape", "outputs"), [((1, 8, 8), 0), ((0, 8, 8), 2)])
def test_outputs_and_channels_are_at_least_1(shape: tuple[int, ...], outputs: int) -> None:
    with pytest.raises(InputError, match=rf"^resnet: every size must be at least 1, .*outputs {outputs}"):
        resnet(shape, outputs, (4,))
