"""Sound shift: sounds start earlier or later."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.sampling import signed_uniform
from goodfit.reference import Reference
from goodfit.stages import Draw
from goodfit.stages.sound_base import SoundTransform
from goodfit.technique import knob


class SoundShift(SoundTransform):
    """Shifts sounds and series in time by a random distance per sample.

    Formula: x_t ← x_(t − d), d = round(amount · u · length), u ~ U(−1, 1).

    Shape: x (batch, channel, time). Shape and dtype do not change.

    Helps when: recordings start at arbitrary times, or words were cut out by hand.
    Hurts when: the relevant sound is at the end and shifted out, or the class depends on when something happens.

    >>> x = torch.arange(1.0, 5.0).reshape(1, 1, 4)
    >>> SoundShift(0.5).transform_sound(x, (torch.tensor([1.0]),), Inputs()).flatten()
    tensor([0., 0., 1., 2.])
    """

    references = (
        Reference(
            authors=("R. Tang", "J. Lin"),
            title="Deep residual learning for small-footprint keyword spotting",
            venue="ICASSP",
            year=2018,
            url="https://arxiv.org/abs/1710.10361",
        ),
    )
    aliases: ClassVar[tuple[str, ...]] = ("time_shift",)
    kinds: ClassVar[tuple[str, ...]] = ("sound", "series")
    amount: float = knob(
        default=0.1,
        low=0,
        high=1,
        search=(0.02, 0.3),
        neutral=0.0,
        unit="fraction of the length",
        doc="largest shift in either direction",
    )
    fill: str = knob(default="silence", choices=("silence", "wrap"), kw_only=True, doc="what fills the gap")

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 1, generator, x.device)

    def transform_sound(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        length = x.shape[-1]
        shift = (self.amount * draw[0] * length).round().long()
        source = torch.arange(length, device=x.device) - shift[:, None]  # (batch, time)
        shifted = x.gather(-1, source.remainder(length)[:, None].expand(-1, x.shape[1], -1))
        if self.fill == "wrap":
            return shifted
        return torch.where(((source >= 0) & (source < length))[:, None], shifted, 0.0)
