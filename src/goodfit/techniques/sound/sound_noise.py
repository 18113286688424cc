"""Sound noise: white noise under sounds."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.broadcast import per_sample
from goodfit.reference import Reference
from goodfit.stages import Draw
from goodfit.stages.augmentation import probability_knob
from goodfit.stages.sound_base import SoundTransform
from goodfit.technique import knob


class SoundNoise(SoundTransform):
    """Adds white noise to sounds, as loud in proportion to each as a ratio of its own says.

    Formula: with probability p, x ← x + r · 10^(−s / 20) · z; z ~ N(0, 1) per value, r the root of the mean square of
    the sample over channels and time (silence that was put behind it counts too, and stays quiet where all is
    silent), s even between `low` and `high`.

    Shape: x (batch, channel, time); it keeps its shape and dtype.

    Helps when: recordings are clean and the world is not.
    Hurts when: what decides is as quiet as the noise.

    >>> made = SoundNoise(low=20.0, high=20.0).transform_sound(
    ...     torch.ones(1, 1, 2), (torch.zeros(1), torch.tensor([[[1.0, -2.0]]])), Inputs()
    ... )
    >>> made.flatten()
    tensor([1.1000, 0.8000])

    Differs from the paper: the noise is white, not recorded.
    """

    references = (
        Reference(
            authors=(
                "A. Hannun",
                "C. Case",
                "J. Casper",
                "B. Catanzaro",
                "G. Diamos",
                "E. Elsen",
                "R. Prenger",
                "S. Satheesh",
                "S. Sengupta",
                "A. Coates",
                "A. Y. Ng",
            ),
            title="Deep Speech: scaling up end-to-end speech recognition",
            venue="arXiv",
            year=2014,
            url="https://arxiv.org/abs/1412.5567",
        ),
    )
    aliases: ClassVar[tuple[str, ...]] = ("white_noise",)
    p: float = probability_knob(0.5)
    low: float = knob(
        default=10.0,
        low=-20,
        high=100,
        search=(0.0, 20.0),
        kw_only=True,
        unit="dB",
        doc="the signal-to-noise ratio at one end: the loudest noise",
    )
    high: float = knob(
        default=40.0,
        low=-20,
        high=100,
        search=(20.0, 60.0),
        kw_only=True,
        unit="dB",
        doc="the signal-to-noise ratio at the other end: the quietest noise",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        place = torch.empty(len(x), dtype=torch.float32, device=x.device).uniform_(generator=generator)
        return place, torch.empty_like(x).normal_(generator=generator)

    def transform_sound(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        ratio = self.low + draw[0] * (self.high - self.low)
        loudness = x.square().mean((1, 2)).sqrt()
        return x + per_sample(loudness * 10.0 ** (-ratio / 20), x) * draw[1]
