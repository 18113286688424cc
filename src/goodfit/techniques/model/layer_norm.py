"""Layer normalization, inserted after layers."""

from __future__ import annotations

import torch  # noqa: F401  (for the example)
from torch import nn

from goodfit.reference import Reference
from goodfit.stages import Normalization, selector
from goodfit.technique import knob


class LayerNorm(Normalization):
    """Inserts layers that normalize each sample over the units of a layer, with a learned scale and shift.

    Formula: y = γ (x − mean) / √(var + eps) + β, with the mean and variance of the sample's own values: over the
    features, and for maps over channels and space together; γ and β have one value per feature or channel. Training and
    evaluation are the same. It is inserted after each selected layer except the last, before the activation function.
    The inserted layers are torch's `LayerNorm` and, for maps, `GroupNorm` with one group; in the state dict their
    weights have the name of the layer with `layer_norm` appended.

    Shape: outputs (batch, …, features) or (batch, channels, space…).

    Helps when: networks are deep and batches are too small for batch norm, or the samples of a batch depend on each
    other.
    Hurts when: the magnitude of a sample's activations carries information, because it is divided out.

    >>> y = LayerNorm().layer(features=2, spatial=0)(torch.tensor([[1.0, 3.0], [0.0, 8.0]]))
    >>> y.detach().round(decimals=3)
    tensor([[-1.,  1.],
            [-1.,  1.]])
    """

    references = (
        Reference(
            authors=("J. L. Ba", "J. R. Kiros", "G. E. Hinton"),
            title="Layer normalization",
            venue="arXiv",
            year=2016,
            url="https://arxiv.org/abs/1607.06450",
        ),
        Reference(
            authors=("Y. Wu", "K. He"),
            title="Group normalization",
            venue="ECCV",
            year=2018,
            topic="maps",
            url="https://arxiv.org/abs/1803.08494",
        ),
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
        return nn.GroupNorm(1, features, eps=self.eps) if spatial else nn.LayerNorm(features, eps=self.eps)
