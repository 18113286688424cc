"""A convolutional network for series, images and videos."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from goodfit.errors import InputError

CONVOLUTIONS: dict[int, tuple[type[nn.Module], type[nn.Module]]] = {
    1: (nn.Conv1d, nn.MaxPool1d),
    2: (nn.Conv2d, nn.MaxPool2d),
    3: (nn.Conv3d, nn.MaxPool3d),
}
"""Number of space and time dimensions → convolution and pooling."""
HEAD = 128
"""Units of the linear layer after the convolutions."""


def cnn(input_shape: Sequence[int], outputs: int, channels: Sequence[int] = (16, 32)) -> nn.Sequential:
    """Build a network of convolutions with kernel size 3, ReLU and max-pooling by 2, followed by two linear layers.

    Shape: inputs (batch, *input_shape) with input_shape (channels, time), (channels, height, width) or (channels,
    frames, height, width); outputs (batch, outputs), raw (no softmax).

    >>> [type(layer).__name__ for layer in cnn((1, 8, 8), 3, channels=(4,))]
    ['Conv2d', 'ReLU', 'MaxPool2d', 'Flatten', 'Linear', 'ReLU', 'Linear']

    Raises:
        InputError: the inputs are not series, images or videos, or too small for the poolings, or a size is below 1.
    """
    conv, pool, space = _layers(input_shape, outputs, channels)
    layers: list[nn.Module] = []
    for before, after in pairwise([input_shape[0], *channels]):
        layers += [conv(before, after, 3, padding=1), nn.ReLU(), pool(2)]
    features = math.prod(n // 2 ** len(channels) for n in space)
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(channels[-1] * features, HEAD), nn.ReLU(), nn.Linear(HEAD, outputs)
    )


def _layers(
    input_shape: Sequence[int], outputs: int, channels: Sequence[int]
) -> tuple[type[nn.Module], type[nn.Module], Sequence[int]]:
    """The convolution and pooling modules for the inputs, and the sizes of their space and time dimensions."""
    space = tuple(input_shape[1:])
    if len(space) not in CONVOLUTIONS:
        raise InputError(f"cnn: inputs must be series, images or videos with channels first, got {tuple(input_shape)}.")
    if min(*input_shape, *channels, outputs) < 1:
        raise InputError(
            f"cnn: every size must be at least 1, got inputs {tuple(input_shape)}, channels {tuple(channels)}, outputs "
            f"{outputs}."
        )
    if min(space) < 2 ** len(channels):
        raise InputError(
            f"cnn: with {len(channels)} poolings by 2, sizes must be at least {2 ** len(channels)}, got {space}; use "
            f"fewer layers, such as cnn:{channels[0]}."
        )
    return *CONVOLUTIONS[len(space)], space
