"""Spatial dropout: whole channels switched off at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from goodfit.ops.dropout import dropout_factors
from goodfit.reference import Reference
from goodfit.stages import BitNoise, Draw, InputNoise, rate_knob, selector


class SpatialDropout(BitNoise, InputNoise):
    """Sets a random share of the channels to zero in training and scales the rest, so that the mean is kept.

    Formula: x ← x · m / (1 − rate), m ~ Bernoulli(1 − rate), drawn anew per sample and channel, the same at every
    place of the channel; the identity in evaluation. These are torch's `Dropout1d` to `3d` and Keras'
    `SpatialDropout1D` to `3D` (there with the channels last). It acts on what flows into each chosen convolution: on
    the hidden channels, and, with `input_rate`, on those of the network's own input. Rates are rounded to 1/65536.

    Shape: activations (batch, channel, space…).

    Helps when: neighbours in a map say almost the same, so that plain dropout takes away nothing.
    Hurts when: channels are few (each carries much), or the input has one channel and `input_rate` is on.

    >>> import torch
    >>> drawn = torch.tensor([[[32767], [-32768]]], dtype=torch.int16)
    >>> SpatialDropout(0.5).perturb(torch.ones(1, 2, 3), (drawn,))
    tensor([[[2., 2., 2.],
             [0., 0., 0.]]])
    """

    references = (
        Reference(
            authors=("J. Tompson", "R. Goroshin", "A. Jain", "Y. LeCun", "C. Bregler"),
            title="Efficient object localization using convolutional networks",
            venue="CVPR",
            year=2015,
            url="https://arxiv.org/abs/1411.4280",
        ),
    )
    aliases: ClassVar[tuple[str, ...]] = ("dropout1d", "dropout2d", "dropout3d")
    convolutions_only: ClassVar[bool] = True
    rate: float = rate_knob(0.2, 0.5, "share of hidden channels set to zero")
    input_rate: float = rate_knob(0.0, 0.3, "share of the network's input channels set to zero")
    on: str = selector()

    def bits_shape(self, x: Tensor) -> Sequence[int]:
        return (*x.shape[:2], *[1] * (x.ndim - 2))

    def perturb(self, x: Tensor, draw: Draw) -> Tensor:
        return x * dropout_factors(draw[0], self.rate, x.dtype)
