"""Sound noise: white noise is added to sounds."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.broadcast import per_sample
from goodfit.ops.sampling import normal_like
from goodfit.reference import Reference
from goodfit.stages import Draw
from goodfit.stages.augmentation import probability_knob
from goodfit.stages.sound_base import SoundTransform
from goodfit.technique import knob


class SoundNoise(SoundTransform):
    """Adds white noise to sounds, at a random signal-to-noise ratio per sample.

    Formula: with probability p, x ← x + r · 10^(−s / 20) · z, where z ~ N(0, 1) per value, r is the root mean square of
    the sample over channels and time, and s is uniform between `low` and `high`. Silence that pads a sample lowers r. A
    silent sample does not change.

    Shape: x (batch, channel, time). Shape and dtype do not change.

    Helps when: training recordings are clean, but those in use are not.
    Hurts when: the relevant sound is as quiet as the noise.

    >>> noisy = SoundNoise(low=20.0, high=20.0).transform_sound(
    ...     torch.ones(1, 1, 2), (torch.zeros(1), torch.tensor([[[1.0, -2.0]]])), Inputs()
    ... )
    >>> noisy.flatten()
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
        doc="lowest signal-to-noise ratio: the loudest noise",
    )
    high: float = knob(
        default=40.0,
        low=-20,
        high=100,
        search=(20.0, 60.0),
        kw_only=True,
        unit="dB",
        doc="highest signal-to-noise ratio: the quietest noise",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        place = torch.empty(len(x), dtype=torch.float32, device=x.device).uniform_(generator=generator)
        return place, normal_like(x, generator)

    def transform_sound(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        ratio = self.low + draw[0] * (self.high - self.low)
        loudness = x.square().mean((1, 2)).sqrt()
        return x + per_sample(loudness * 10.0 ** (-ratio / 20), x) * draw[1]
