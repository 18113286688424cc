"""OnSample: which training rows an epoch draws."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from goodfit.technique import Technique


class OnSample(Technique, ABC):
    """Chooses which training rows an epoch draws."""

    @abstractmethod
    def rows(self, y: Tensor, rows: Tensor, generator: torch.Generator) -> Tensor:
        """Row numbers of one epoch (n′,), from the targets y (n, …) and the rows (n,) drawn so far."""
