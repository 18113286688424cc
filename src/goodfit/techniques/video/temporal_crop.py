"""Temporal crop: a part of a clip, brought back to its length."""

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


class TemporalCrop(ValueTransform):
    """Takes a random part of a clip and brings it back to the clip's length by repeating frames.

    Formula: a part of the length a · T, a ~ U(length, 1), anywhere in the clip of T frames; frame t of the new clip is
    the nearest one of the part.

    Shape: x (batch, channel, frame, height, width); it keeps its shape and dtype.

    Helps when: actions begin and end at any time.
    Hurts when: what decides the class lies at the beginning or at the end.

    >>> clip = torch.arange(4.0).reshape(1, 1, 4, 1, 1)
    >>> TemporalCrop(0.5).transform(clip, (torch.tensor([-1.0]), torch.tensor([1.0])), Inputs("video")).flatten()
    tensor([2., 2., 3., 3.])

    Differs from the paper: the part's length is random, and it is brought back to the clip's.
    """

    references = (
        Reference(
            authors=("K. Simonyan", "A. Zisserman"),
            title="Two-stream convolutional networks for action recognition in videos",
            venue="NeurIPS",
            year=2014,
            url="https://arxiv.org/abs/1406.2199",
        ),
    )
    kinds: ClassVar[tuple[str, ...]] = ("video",)
    length: float = knob(
        default=0.75,
        low=0,
        high=1,
        open_left=True,
        search=(0.4, 0.95),
        neutral=1.0,
        unit="share of the clip",
        doc="the shortest part",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 2, generator, x.device)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        frames = x.shape[2]
        share = self.length + (1 - self.length) * (draw[0] + 1) / 2
        start = (1 - share) * (draw[1] + 1) / 2 * frames
        middle = torch.arange(frames, dtype=x.dtype, device=x.device) + 0.5
        at = start[:, None] + middle * share[:, None]  # from the beginning of the first frame
        return take_frames(x, at.floor().clamp(0, frames - 1).long())
