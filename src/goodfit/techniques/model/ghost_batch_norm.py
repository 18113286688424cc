"""Ghost batch normalization: batch normalization over small parts of a batch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from goodfit.reference import Reference
from goodfit.stages import Normalization, selector
from goodfit.technique import knob


class GhostBatchNorm(Normalization):
    """Inserts layers that normalize each hidden unit over small parts of the batch, as if batches were small.

    Formula: each batch is split into parts of `size` samples. Each part is normalized by its own mean and variance,
    y = γ (x − mean) / √(var + eps) + β,
    and updates the running statistics once,
    running ← (1 − momentum) · running + momentum · part.
    A last part with a single sample is merged with the part before it. Evaluation is that of batch norm. The layer is
    inserted after each selected layer except the last, before the activation function; in the state dict its weights
    have the name of the layer with `ghost_batch_norm` appended, and the same keys as those of batch norm.

    Shape: outputs (batch, features) or (batch, channels, …).

    Helps when: batches are large; the noise in the statistics of small parts regularizes.
    Hurts when: parts are small (below about 16 samples), so that their statistics are unreliable.

    >>> layer = GhostBatchNorm(size=2).layer(features=1, spatial=0)
    >>> layer(torch.tensor([[1.0], [3.0], [10.0], [20.0]])).detach().flatten().round(decimals=3)
    tensor([-1.,  1., -1.,  1.])
    """

    references = (
        Reference(
            authors=("E. Hoffer", "I. Hubara", "D. Soudry"),
            title=(
                "Train longer, generalize better: closing the generalization gap in large batch training of "
                "neural networks"
            ),
            venue="NeurIPS",
            year=2017,
            url="https://arxiv.org/abs/1705.08741",
        ),
    )
    size: int = knob(default=32, low=2, search=(8, 32), main=True, unit="samples", doc="samples per part")
    momentum: float = knob(
        default=0.1,
        low=0,
        high=1,
        open_left=True,
        search=(0.01, 0.5),
        log=True,
        unit="fraction per part",
        doc="weight of a part in the running statistics",
    )
    eps: float = knob(
        default=1e-5,
        low=0,
        open_left=True,
        search=(1e-5, 1e-2),
        log=True,
        unit="variance",
        doc="added to the variance for numerical stability",
    )
    on: str = selector()

    def layer(self, features: int, spatial: int) -> nn.Module:
        layer = (_Ghost1d, _Ghost1d, _Ghost2d, _Ghost3d)[spatial](features, eps=self.eps, momentum=self.momentum)
        layer.size = self.size
        return layer


class _Ghost(_BatchNorm):
    size: int

    def forward(self, x: Tensor) -> Tensor:
        normalize = super().forward
        if not self.training:
            return normalize(x)
        return torch.cat([normalize(part) for part in _parts(x, self.size)])


def _parts(x: Tensor, size: int) -> list[Tensor]:
    """Consecutive parts of `size` samples; a single remaining sample is merged with the part before it."""
    parts = list(x.split(size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [x[-size - 1 :]]
    return parts


class _Ghost1d(_Ghost, nn.BatchNorm1d): ...


class _Ghost2d(_Ghost, nn.BatchNorm2d): ...


class _Ghost3d(_Ghost, nn.BatchNorm3d): ...
