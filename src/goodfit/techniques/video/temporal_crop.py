"""Temporal crop: a random part of a clip, stretched to the full length."""

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
    """Takes a random part of a clip and stretches it to the clip's length by repeating frames.

    Formula: the part has the length a · T for a clip of T frames, a ~ U(length, 1), and starts at a uniform position.
    Each frame of the new clip is the nearest frame of the part.

    Shape: x (batch, channel, frame, height, width). Shape and dtype do not change.

    Helps when: actions start and end at any time.
    Hurts when: the relevant event is at the beginning or at the end.

    >>> clip = torch.arange(4.0).reshape(1, 1, 4, 1, 1)
    >>> TemporalCrop(0.5).transform(clip, (torch.tensor([-1.0]), torch.tensor([1.0])), Inputs("video")).flatten()
    tensor([2., 2., 3., 3.])

    Differs from the paper: the part's length is random, and the part is stretched to the clip's length.
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
        unit="fraction of the clip",
        doc="shortest part",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 2, generator, x.device)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        frames = x.shape[2]
        share = self.length + (1 - self.length) * (draw[0] + 1) / 2
        start = (1 - share) * (draw[1] + 1) / 2 * frames
        middle = torch.arange(frames, dtype=x.dtype, device=x.device) + 0.5
        at = start[:, None] + middle * share[:, None]  # measured from the start of the first frame
        return take_frames(x, at.floor().clamp(0, frames - 1).long())
