"""Speed: sounds are played faster or slower."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.ops.broadcast import per_sample
from goodfit.ops.resample import filter_frequencies, relative_frequencies, resample
from goodfit.ops.sampling import signed_uniform
from goodfit.reference import Reference
from goodfit.stages import Draw
from goodfit.stages.sound_base import SoundTransform
from goodfit.technique import knob

EDGE = 0.1  # width of the fade-out below half the new sampling rate, as a fraction of all frequencies


class Speed(SoundTransform):
    """Plays sounds faster or slower at a random rate per sample; pitch and duration change together, as on a tape.

    Formula: x(t) ← x(r · t), r = (1 + amount)^u, u ~ U(−1, 1). Shorter sounds are padded with silence at the end,
    longer ones are cut off there. Frequencies that would exceed half the sampling rate are removed first.

    Shape: x (batch, channel, time). Shape and dtype do not change.

    Helps when: speakers and machines differ in pace and pitch; speech data with few speakers.
    Hurts when: the class depends on pitch or pace.

    >>> x = torch.sin(torch.arange(400.0) * 0.1).reshape(1, 1, 400)
    >>> fast = Speed(1.0).transform_sound(x, (torch.tensor([1.0]),), Inputs())[..., 10:180]
    >>> torch.allclose(fast, torch.sin(torch.arange(10.0, 180.0) * 0.2), atol=0.01)
    True

    Differs from the paper: the rate is continuous and drawn per sample, instead of one of 0.9, 1 and 1.1.
    """

    references = (
        Reference(
            authors=("T. Ko", "V. Peddinti", "D. Povey", "S. Khudanpur"),
            title="Audio augmentation for speech recognition",
            venue="Interspeech",
            year=2015,
            url="https://doi.org/10.21437/Interspeech.2015-711",
        ),
    )
    amount: float = knob(
        default=0.1,
        low=0,
        high=1,
        search=(0.02, 0.3),
        neutral=0.0,
        unit="fraction of the speed",
        doc="largest change: rates lie between 1 / (1 + amount) and 1 + amount",
    )

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return signed_uniform(len(x), 1, generator, x.device)

    def transform_sound(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        rate: Tensor = (1.0 + self.amount) ** draw[0]
        gain = ((1 / rate[:, None] - relative_frequencies(x.shape[-1], x)) / EDGE).clamp(0.0, 1.0)  # (batch, bin)
        fine = filter_frequencies(x, gain, 2)
        return torch.where(per_sample(rate == 1, x), x, resample(fine, 2 * rate, x.shape[-1]))
