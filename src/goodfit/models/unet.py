"""The U-Net, which predicts a class for each pixel of an image."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.errors import InputError


class UNet(nn.Module):
    """Halves the image several times and enlarges it again; each enlarged image is concatenated with that of its size.

    Shape: (batch, channels, height, width) → (batch, outputs, height, width), raw (no softmax).
    """

    def __init__(self, before: int, outputs: int, channels: Sequence[int]) -> None:
        super().__init__()
        self.down = nn.ModuleList(_block(a, b) for a, b in pairwise([before, *channels]))
        upwards = list(reversed(channels))
        self.up = nn.ModuleList(_block(below + skip, skip) for below, skip in pairwise(upwards))
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(channels[0], outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) → logits (batch, outputs, height, width)."""
        skips = []
        for number, block in enumerate(self.down):
            x = block(self.pool(x) if number else x)
            skips.append(x)
        for block, skip in zip(self.up, reversed(skips[:-1]), strict=True):
            enlarged = F.interpolate(x, size=skip.shape[-2:], mode="nearest")
            x = block(torch.cat([enlarged, skip], 1))
        return self.head(x)  # type: ignore[no-any-return]


def unet(input_shape: Sequence[int], outputs: int, channels: Sequence[int] = (16, 32, 64)) -> UNet:
    """Build a U-Net with two convolutions, batch norm and ReLU per number of channels, each level at half the size.

    Shape: inputs (batch, channels, height, width), outputs (batch, outputs, height, width).

    >>> unet((3, 9, 12), 2, channels=(4, 8))(torch.zeros(5, 3, 9, 12)).shape
    torch.Size([5, 2, 9, 12])

    Reference: O. Ronneberger, P. Fischer and T. Brox, U-Net: convolutional networks for biomedical image segmentation,
    MICCAI 2015, https://arxiv.org/abs/1505.04597
    Differs from the paper: convolutions are padded, so that the output has the size of the input; batch norm is added;
    images are enlarged by repeating pixels, where the paper uses transposed convolutions.

    Raises:
        InputError: the inputs are not images, or too small to be halved so often, or a size is below 1.
    """
    if len(input_shape) != 3:
        raise InputError(f"unet: inputs must be images, (channels, height, width), got {tuple(input_shape)}.")
    if min(*input_shape, *channels, outputs) < 1:
        raise InputError(
            f"unet: every size must be at least 1, got inputs {tuple(input_shape)}, channels {tuple(channels)}, "
            f"outputs {outputs}."
        )
    smallest = 2 ** (len(channels) - 1)
    if min(input_shape[1:]) < smallest:
        raise InputError(
            f"unet: with {len(channels)} levels, images must be at least {smallest} pixels high and wide, got "
            f"{tuple(input_shape[1:])}; use fewer levels, such as unet:{channels[0]}."
        )
    return UNet(input_shape[0], outputs, channels)


def _block(before: int, after: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
        nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU(),
    )  # fmt: skip
