"""The residual network, for series, images and clips."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from goodfit.errors import InputError

KINDS: dict[int, tuple[type[nn.Module], type[nn.Module], type[nn.Module]]] = {
    1: (nn.Conv1d, nn.BatchNorm1d, nn.AdaptiveAvgPool1d),
    2: (nn.Conv2d, nn.BatchNorm2d, nn.AdaptiveAvgPool2d),
    3: (nn.Conv3d, nn.BatchNorm3d, nn.AdaptiveAvgPool3d),
}
"""Dimensions of space and time → convolution, batch norm, and pooling to one value."""


class Block(nn.Module):
    """relu(short cut + branch): two convolutions with batch norm, the first one with a stride."""

    def __init__(self, dimensions: int, before: int, after: int, stride: int) -> None:
        super().__init__()
        conv, norm, _ = KINDS[dimensions]
        self.branch = nn.Sequential(
            conv(before, after, 3, stride=stride, padding=1, bias=False), norm(after), nn.ReLU(),
            conv(after, after, 3, padding=1, bias=False), norm(after),
        )  # fmt: skip
        same = before == after and stride == 1
        self.cut = (
            nn.Identity() if same else nn.Sequential(conv(before, after, 1, stride=stride, bias=False), norm(after))
        )
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, before, …) → (batch, after, …), the dimensions behind divided by the stride."""
        return self.relu(self.cut(x) + self.branch(x))  # type: ignore[no-any-return]


def resnet(input_shape: Sequence[int], outputs: int, channels: Sequence[int] = (16, 32, 64)) -> nn.Sequential:
    """One residual block per number of channels, each but the first at half the size, and a mean over what is left.

    Shape: inputs (batch, *input_shape) with input_shape (channels, time), (channels, height, width) or (channels,
    frames, height, width); outputs (batch, outputs), raw (no softmax).

    >>> [type(layer).__name__ for layer in resnet((3, 8, 8), 2, channels=(4, 8))]
    ['Conv2d', 'BatchNorm2d', 'ReLU', 'Block', 'Block', 'AdaptiveAvgPool2d', 'Flatten', 'Linear']

    Reference: K. He, X. Zhang, S. Ren and J. Sun, Deep residual learning for image recognition, CVPR 2016,
    https://arxiv.org/abs/1512.03385

    Raises:
        InputError: inputs that are no series, images or clips; a size below 1.
    """
    dimensions = len(input_shape) - 1
    if dimensions not in KINDS:
        raise InputError(f"resnet: inputs must be series, images or clips with channels in front, got {input_shape}.")
    if min(*input_shape, *channels, outputs) < 1:
        raise InputError(f"resnet: every size must be at least 1, got {tuple(input_shape)}, channels {channels}.")
    conv, norm, pool = KINDS[dimensions]
    stem = [conv(input_shape[0], channels[0], 3, padding=1, bias=False), norm(channels[0]), nn.ReLU()]
    pairs = pairwise([channels[0], *channels])
    blocks = [Block(dimensions, before, after, 1 if i == 0 else 2) for i, (before, after) in enumerate(pairs)]
    return nn.Sequential(*stem, *blocks, pool(1), nn.Flatten(), nn.Linear(channels[-1], outputs))
