"""Time stretch: sounds faster or slower at the same pitch."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.broadcast import per_sample
from goodfit.ops.sampling import signed_uniform
from goodfit.ops.stft import frame_count, istft, phase_vocoder, stft
from goodfit.reference import Reference
from goodfit.stages import Draw
from goodfit.stages.sound_base import SoundTransform
from goodfit.technique import knob


class TimeStretch(SoundTransform):
    """Makes sounds faster or slower at the same pitch, each at a rate of its own.

    Formula: a phase vocoder: short spectra are taken from r times as far, r = (1 + amount)^u, u ~ U(−1, 1), with phases
    that go on as fast as they did. What is shorter than before is filled up with silence at its end, what is longer
    is cut off there.

    Shape: x (batch, channel, time); it keeps its shape and dtype.

    Helps when: people speak or play at their own pace.
    Hurts when: pace tells the class; clicks and drums (they are smeared over a window).

    >>> x = torch.sin(torch.arange(800.0) * 0.1).reshape(1, 1, 800)
    >>> found = TimeStretch(1.0, window=128).transform_sound(x, (torch.tensor([1.0]),), Inputs())
    >>> bool(found[..., 530:].abs().max() < 1e-3), bool(found[..., :300].abs().max() > 0.9)
    (True, True)
    """

    references = (
        Reference(
            authors=("J. Salamon", "J. P. Bello"),
            title="Deep convolutional neural networks and data augmentation for environmental sound classification",
            venue="IEEE Signal Processing Letters",
            volume="24",
            year=2017,
            url="https://arxiv.org/abs/1608.04363",
        ),
        Reference(
            authors=("J. L. Flanagan", "R. M. Golden"),
            title="Phase vocoder",
            venue="Bell System Technical Journal",
            volume="45",
            year=1966,
            topic="the vocoder",
            url="https://doi.org/10.1002/j.1538-7305.1966.tb01706.x",
        ),
    )
    amount: float = knob(
        default=0.1,
        low=0,
        high=1,
        search=(0.02, 0.4),
        neutral=0.0,
        unit="share of the speed",
        doc="the largest change: rates lie between 1 / (1 + amount) and 1 + amount",
    )
    window: int = knob(
        default=512,
        low=16,
        high=16384,
        search=(256, 2048),
        log=True,
        kw_only=True,
        unit="samples",
        doc="length of the spectra: some periods of the lowest tone, about 30 to 60 ms",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 1, generator, x.device)

    def transform_sound(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        length, rate = x.shape[-1], (1.0 + self.amount) ** draw[0]
        found = phase_vocoder(stft(x, self.window), rate, frame_count(length, self.window))
        return torch.where(per_sample(rate == 1, x), x, istft(found, self.window, length))
