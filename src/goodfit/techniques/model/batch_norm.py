"""Batch normalization, inserted after layers."""

from __future__ import annotations

from torch import nn

from goodfit.reference import Reference
from goodfit.stages import Normalization, selector
from goodfit.technique import knob


class BatchNorm(Normalization):
    """Inserts layers that normalize each hidden unit over the batch, with a learned scale and shift.

    Formula: y = γ (x − mean) / √(var + eps) + β, with the statistics of the batch in training and running statistics in
    evaluation: running ← (1 − momentum) · running + momentum · batch. It is inserted after each selected layer except
    the last, before the activation function. The inserted layers are torch's `BatchNorm1d` to `BatchNorm3d`; in the
    state dict their weights have the name of the layer with `batch_norm` appended.

    Shape: outputs (batch, features) or (batch, channels, …).

    Helps when: networks are deep or learning rates are high.
    Hurts when: batches are small (below about 16 samples), or the samples of a batch depend on each other.

    >>> BatchNorm(momentum=0.2).layer(features=4, spatial=2).momentum
    0.2
    """

    references = (
        Reference(
            authors=("S. Ioffe", "C. Szegedy"),
            title="Batch normalization: accelerating deep network training by reducing internal covariate shift",
            venue="ICML",
            year=2015,
            url="https://arxiv.org/abs/1502.03167",
        ),
    )
    momentum: float = knob(
        default=0.1,
        low=0,
        high=1,
        open_left=True,
        search=(0.01, 0.5),
        log=True,
        unit="fraction per step",
        doc="weight of the batch in the running statistics",
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
        kinds = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
        return kinds[spatial](features, eps=self.eps, momentum=self.momentum)
