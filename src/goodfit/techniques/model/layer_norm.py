"""Layer normalization, inserted behind hidden layers."""

from __future__ import annotations

import torch  # noqa: F401  (for the example)
from torch import nn

from goodfit.reference import Reference
from goodfit.stages import Normalization, selector
from goodfit.technique import knob


class LayerNorm(Normalization):
    """Normalises each sample over the units of a layer, with a learned scale and shift.

    Formula: y = γ (x − mean) / √(var + eps) + β, with mean and variance of the sample's own values: over the features,
    and for maps over channels and space together; γ and β one per feature or channel. The same in training and
    evaluation. It is put behind each chosen layer but the last, in front of the activation. These are torch's
    `LayerNorm` and, for maps, `GroupNorm` with one group; their weights appear in the state dict under the layer's name
    with `layer_norm` appended.

    Shape: outputs (batch, …, features) or (batch, channels, space…).

    Helps when: networks are deep and batches small, where batch norm fails; rows of a batch depend on each other.
    Hurts when: the size of a sample's activations means something: it is divided out.

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
        default=1e-5, low=0, open_left=True, search=(1e-5, 1e-2), log=True, unit="variance", doc="added to the variance"
    )
    on: str = selector()

    def layer(self, features: int, spatial: int) -> nn.Module:
        return nn.GroupNorm(1, features, eps=self.eps) if spatial else nn.LayerNorm(features, eps=self.eps)
