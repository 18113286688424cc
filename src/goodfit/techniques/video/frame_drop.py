"""Frame drop: frames are lost and the previous ones repeated."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.interpolate import take_frames
from goodfit.reference import Reference
from goodfit.stages import Draw, ValueTransform
from goodfit.stages.common import rate_knob


class FrameDrop(ValueTransform):
    """Drops frames of a clip at random and repeats the previous frame in their place.

    Formula: frame t ← the latest frame s ≤ t that was not dropped. Every frame except the first is dropped with
    probability `rate`.

    Shape: x (batch, channel, frame, height, width). Shape and dtype do not change.

    Helps when: cameras stutter, frame rates differ, or the network relies on single frames.
    Hurts when: the relevant event lasts only one or two frames.

    >>> clip = torch.arange(4.0).reshape(1, 1, 4, 1, 1)
    >>> FrameDrop(0.5).transform(clip, (torch.tensor([[0.9, 0.1, 0.6, 0.2]]),), Inputs("video")).flatten()
    tensor([0., 0., 2., 2.])
    """

    references = (
        Reference(
            authors=("N. Cauli", "D. Reforgiato Recupero"),
            title="Survey on videos data augmentation for deep learning models",
            venue="Future Internet",
            volume="14",
            number="3",
            year=2022,
            url="https://doi.org/10.3390/fi14030093",
        ),
    )
    kinds: ClassVar[tuple[str, ...]] = ("video",)
    rate: float = rate_knob(0.1, 0.5, "fraction of the frames that are dropped")

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return (torch.empty(len(x), x.shape[2], dtype=torch.float32, device=x.device).uniform_(generator=generator),)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        frames = torch.arange(x.shape[2], device=x.device)
        kept = torch.where(draw[0] >= self.rate, frames, torch.zeros_like(frames))
        return take_frames(x, kept.cummax(1).values)
