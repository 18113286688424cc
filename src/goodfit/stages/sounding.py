"""Augmentation of sound: what all of it keeps to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.stages.augmentation import Alteration
from goodfit.stages.common import Draw


class Sounding(Alteration, ABC):
    """Changes sounds. Zero is silence; what becomes louder than the data's loudest swing is cut off there after."""

    kinds: ClassVar[tuple[str, ...]] = ("sound",)

    def alter(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        """The changed sounds; half precision, which has no spectra, is widened meanwhile."""
        wide = x.to(torch.promote_types(x.dtype, torch.float32))
        told = tuple(d.to(wide.dtype) if d.is_floating_point() else d for d in draw)
        return self.heard(wide, told, inputs).to(x.dtype)

    @abstractmethod
    def heard(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        """The changed sounds (batch, channel, time), in at least single precision; all channels alike."""
