"""A residual network for series, images and videos."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from goodfit.errors import InputError

LAYERS: dict[int, tuple[type[nn.Module], type[nn.Module], type[nn.Module]]] = {
    1: (nn.Conv1d, nn.BatchNorm1d, nn.AdaptiveAvgPool1d),
    2: (nn.Conv2d, nn.BatchNorm2d, nn.AdaptiveAvgPool2d),
    3: (nn.Conv3d, nn.BatchNorm3d, nn.AdaptiveAvgPool3d),
}
"""Number of space and time dimensions → convolution, batch norm, and adaptive pooling."""


class Block(nn.Module):
    """relu(shortcut + branch), where the branch has two convolutions with batch norm, the first one with a stride."""

    def __init__(self, dimensions: int, before: int, after: int, stride: int) -> None:
        super().__init__()
        conv, norm, _ = LAYERS[dimensions]
        self.branch = nn.Sequential(
            conv(before, after, 3, stride=stride, padding=1, bias=False), norm(after), nn.ReLU(),
            conv(after, after, 3, padding=1, bias=False), norm(after),
        )  # fmt: skip
        same = before == after and stride == 1
        self.shortcut = (
            nn.Identity() if same else nn.Sequential(conv(before, after, 1, stride=stride, bias=False), norm(after))
        )
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """x (batch, before, …) → (batch, after, …), with the remaining dimensions divided by the stride."""
        return self.relu(self.shortcut(x) + self.branch(x))  # type: ignore[no-any-return]


def resnet(input_shape: Sequence[int], outputs: int, channels: Sequence[int] = (16, 32, 64)) -> nn.Sequential:
    """Build one residual block per number of channels, each after the first at half the size, and average pooling.

    Shape: inputs (batch, *input_shape) with input_shape (channels, time), (channels, height, width) or (channels,
    frames, height, width); outputs (batch, outputs), raw (no softmax).

    >>> [type(layer).__name__ for layer in resnet((3, 8, 8), 2, channels=(4, 8))]
    ['Conv2d', 'BatchNorm2d', 'ReLU', 'Block', 'Block', 'AdaptiveAvgPool2d', 'Flatten', 'Linear']

    Reference: K. He, X. Zhang, S. Ren and J. Sun, Deep residual learning for image recognition, CVPR 2016,
    https://arxiv.org/abs/1512.03385

    Raises:
        InputError: the inputs are not series, images or videos, or a size is below 1.
    """
    dimensions = len(input_shape) - 1
    if dimensions not in LAYERS:
        raise InputError(
            f"resnet: inputs must be series, images or videos with channels first, got {tuple(input_shape)}."
        )
    if min(*input_shape, *channels, outputs) < 1:
        raise InputError(
            f"resnet: every size must be at least 1, got inputs {tuple(input_shape)}, channels {tuple(channels)}, "
            f"outputs {outputs}."
        )
    conv, norm, pool = LAYERS[dimensions]
    stem = [conv(input_shape[0], channels[0], 3, padding=1, bias=False), norm(channels[0]), nn.ReLU()]
    pairs = pairwise([channels[0], *channels])
    blocks = [Block(dimensions, before, after, 1 if i == 0 else 2) for i, (before, after) in enumerate(pairs)]
    return nn.Sequential(*stem, *blocks, pool(1), nn.Flatten(), nn.Linear(channels[-1], outputs))
