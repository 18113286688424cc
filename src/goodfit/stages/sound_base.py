"""The base class of sound augmentations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.stages.augmentation import ValueTransform
from goodfit.stages.common import Draw


class SoundTransform(ValueTransform, ABC):
    """Base class of augmentations of sounds. Zero is silence.

    Implement `transform_sound`. The trainer clips the result to the loudest amplitude in the data.
    """

    kinds: ClassVar[tuple[str, ...]] = ("sound",)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        """Call `transform_sound`, with half precision converted to single precision, in which spectra exist."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        wide_draw = tuple(d.to(wide.dtype) if d.is_floating_point() else d for d in draw)
        return self.transform_sound(wide, wide_draw, inputs).to(x.dtype)

    @abstractmethod
    def transform_sound(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        """Transform sounds, all channels of a sound in the same way.

        Args:
            x: sounds (batch, channel, time), in single or double precision. They must not be overwritten.
            draw: what `sample` returned.
            inputs: what the inputs are, with their sampling rate.
        """
