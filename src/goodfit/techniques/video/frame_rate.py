"""Frame rate: clips are played faster or slower."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.interpolate import take_frames
from goodfit.ops.sampling import signed_uniform
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.technique import knob


class FrameRate(ValueTransform):
    """Plays clips faster or slower about their middle frame, by a random factor per sample.

    Formula: frame t ← the frame nearest to m + (t − m) f, where m is the middle and f = (1 + amount)^u, u ~ U(−1, 1).
    Beyond the ends, the first or last frame is repeated.

    Shape: x (batch, channel, frame, height, width). Shape and dtype do not change.

    Helps when: actions happen fast and slowly, or frame rates differ.
    Hurts when: the class depends on speed.

    >>> clip = torch.arange(5.0).reshape(1, 1, 5, 1, 1)
    >>> FrameRate(1.0).transform(clip, (torch.tensor([1.0]),), Inputs("video")).flatten()
    tensor([0., 0., 2., 4., 4.])

    Differs from the paper: one clip at a random rate, instead of two at fixed rates.
    """

    references = (
        Reference(
            authors=("C. Feichtenhofer", "H. Fan", "J. Malik", "K. He"),
            title="SlowFast networks for video recognition",
            venue="ICCV",
            year=2019,
            url="https://arxiv.org/abs/1812.03982",
        ),
    )
    kinds: ClassVar[tuple[str, ...]] = ("video",)
    amount: float = knob(
        default=0.25,
        low=0,
        high=9,
        search=(0.05, 1.0),
        neutral=0.0,
        unit="fraction of the speed",
        doc="largest relative change: factors lie between 1 / (1 + amount) and 1 + amount",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 1, generator, x.device)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        last = x.shape[2] - 1
        from_middle = torch.arange(x.shape[2], dtype=x.dtype, device=x.device) - last / 2
        factor = (1 + self.amount + torch.zeros_like(draw[0])) ** draw[0]
        return take_frames(x, (last / 2 + from_middle * factor[:, None]).round().clamp(0, last).long())
