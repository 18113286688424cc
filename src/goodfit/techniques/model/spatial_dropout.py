"""Spatial dropout: set whole channels to zero at random."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from torch import Tensor

from goodfit.ops.dropout import dropout_factors
from goodfit.reference import Reference
from goodfit.stages import BitNoise, Draw, InputNoise, rate_knob, selector


class SpatialDropout(BitNoise, InputNoise):
    """Sets a random fraction of the channels to zero and rescales the rest, so that the mean is preserved.

    Formula: x ← x · m / (1 − rate), m ~ Bernoulli(1 − rate), drawn independently per sample and channel and shared by
    all positions of the channel. It equals torch's `Dropout1d` to `Dropout3d` and Keras' `SpatialDropout1D` to
    `SpatialDropout3D` (Keras has the channels last). It is applied to the input of each selected convolution: to hidden
    channels and, with `input_rate`, to the channels of the network's own input. Rates are rounded to 1/65536. Training
    only; evaluation is unchanged.

    Shape: activations (batch, channel, space…).

    Helps when: neighbouring positions of a map are so similar that plain dropout removes no information.
    Hurts when: there are few channels (each carries much information), or the input has one channel and `input_rate` is
    on.

    >>> import torch
    >>> bits = torch.tensor([[[32767], [-32768]]], dtype=torch.int16)
    >>> SpatialDropout(0.5).perturb(torch.ones(1, 2, 3), (bits,))
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
    rate: float = rate_knob(0.2, 0.5, "fraction of hidden channels set to zero")
    input_rate: float = rate_knob(0.0, 0.3, "fraction of the network's input channels set to zero")
    on: str = selector()

    def bits_shape(self, x: Tensor) -> Sequence[int]:
        return (*x.shape[:2], *[1] * (x.ndim - 2))

    def perturb(self, x: Tensor, draw: Draw) -> Tensor:
        return x * dropout_factors(draw[0], self.rate, x.dtype)
