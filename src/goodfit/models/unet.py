"""The U-Net, which names a class for each pixel of images."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.errors import InputError


class UNet(nn.Module):
    """Down to ever smaller sizes and up again, each size on the way up beside what it was on the way down.

    Shape: (batch, channels, height, width) → (batch, outputs, height, width), raw (no softmax).
    """

    def __init__(self, before: int, outputs: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.down = nn.ModuleList(_block(a, b) for a, b in pairwise([before, *channels]))
        upwards = list(reversed(channels))
        self.up = nn.ModuleList(_block(below + beside, beside) for below, beside in pairwise(upwards))
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(channels[0], outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The logits of each pixel."""
        passed = []
        for number, block in enumerate(self.down):
            x = block(self.pool(x) if number else x)
            passed.append(x)
        for block, beside in zip(self.up, reversed(passed[:-1]), strict=True):
            grown = F.interpolate(x, size=beside.shape[-2:], mode="nearest")
            x = block(torch.cat([grown, beside], 1))
        return self.head(x)  # type: ignore[no-any-return]


def unet(input_shape: Sequence[int], outputs: int, channels: Sequence[int] = (16, 32, 64)) -> UNet:
    """Two convolutions with batch norm and ReLU per number of channels, each but the first at half the size.

    Shape: inputs (batch, channels, height, width), outputs (batch, outputs, height, width).

    >>> unet((3, 9, 12), 2, channels=(4, 8))(torch.zeros(5, 3, 9, 12)).shape
    torch.Size([5, 2, 9, 12])

    Reference: O. Ronneberger, P. Fischer and T. Brox, U-Net: convolutional networks for biomedical image segmentation,
    MICCAI 2015, https://arxiv.org/abs/1505.04597
    Differs from the paper: convolutions are padded, so that the output has the size of the input; batch norm is added;
    on the way up the nearest pixels are repeated, where the paper has transposed convolutions.

    Raises:
        InputError: inputs that are no images, or that are too small to be halved so often; a size below 1.
    """
    if len(input_shape) != 3:
        raise InputError(f"unet: inputs must be images, (channels, height, width), got {tuple(input_shape)}.")
    if min(*input_shape, *channels, outputs) < 1:
        raise InputError(f"unet: every size must be at least 1, got {tuple(input_shape)}, channels {tuple(channels)}.")
    least = 2 ** (len(channels) - 1)
    if min(input_shape[1:]) < least:
        raise InputError(
            f"unet: {len(channels)} sizes need at least {least} pixels a side, got {tuple(input_shape[1:])}; give "
            f"fewer, unet:{channels[0]}."
        )
    return UNet(input_shape[0], outputs, channels)


def _block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
        nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
    )  # fmt: skip
