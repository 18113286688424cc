"""Time stretch: sounds become faster or slower at the same pitch."""

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
    """Plays sounds faster or slower at a random rate per sample, at the same pitch.

    Formula: a phase vocoder reads the short-time spectra at r times the speed, r = (1 + amount)^u, u ~ U(−1, 1), and
    advances their phases at the original rate. Shorter sounds are padded with silence at the end, longer ones are cut
    off there.

    Shape: x (batch, channel, time). Shape and dtype do not change.

    Helps when: people speak or play at different pace.
    Hurts when: the class depends on pace, or sounds have sharp onsets (clicks, drums), which are smeared over a window.

    >>> x = torch.sin(torch.arange(800.0) * 0.1).reshape(1, 1, 800)
    >>> fast = TimeStretch(1.0, window=128).transform_sound(x, (torch.tensor([1.0]),), Inputs())
    >>> bool(fast[..., 530:].abs().max() < 1e-3), bool(fast[..., :300].abs().max() > 0.9)
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
        unit="fraction of the speed",
        doc="largest change: rates lie between 1 / (1 + amount) and 1 + amount",
    )
    window: int = knob(
        default=512,
        low=16,
        high=16384,
        search=(256, 2048),
        log=True,
        kw_only=True,
        unit="samples",
        doc="window length of the spectra: a few periods of the lowest tone, about 30 to 60 ms",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 1, generator, x.device)

    def transform_sound(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        length, rate = x.shape[-1], (1.0 + self.amount) ** draw[0]
        spectra = phase_vocoder(stft(x, self.window), rate, frame_count(length, self.window))
        return torch.where(per_sample(rate == 1, x), x, istft(spectra, self.window, length))
