"""Weight noise: Gaussian noise on weights."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.ops.sampling import normal_like
from goodfit.reference import Reference
from goodfit.stages import Draw, WeightPerturbation, selector
from goodfit.technique import knob


class WeightNoise(WeightPerturbation):
    """Adds Gaussian noise to the weights in each training forward pass; the optimizer updates the clean weights.

    Formula: the forward pass uses w + stddev · z, z ~ N(0, 1), drawn independently per batch and weight; its gradient
    is applied to w. With `relative`, the noise is stddev · σ_w · z, where σ_w is the standard deviation of the tensor,
    treated as a constant. Training only; evaluation uses w.

    Shape: any weight tensor.

    Helps when: the training set is small. It favours weights around which the loss is flat.
    Hurts when: the noise is as large as the weights; small weights (of wide layers) need a small `stddev`, or
    `relative`.

    >>> w, z = torch.tensor([[1.0, 3.0]]), torch.tensor([[1.0, -1.0]])
    >>> WeightNoise(0.5).perturb(w, (z,)), WeightNoise(0.5, relative=True).perturb(4 * w, (z,))
    (tensor([[1.5000, 2.5000]]), tensor([[ 6., 10.]]))
    """

    references = (
        Reference(
            authors=("G. An",),
            title="The effects of adding noise during backpropagation training on a generalization performance",
            venue="Neural Computation",
            volume="8",
            number="3",
            year=1996,
            url="https://doi.org/10.1162/neco.1996.8.3.643",
        ),
    )
    stddev: float = knob(
        default=0.01,
        low=0,
        search=(0.001, 0.3),
        log=True,
        neutral=0.0,
        unit="units of the weight (with relative: standard deviations)",
        doc="standard deviation of the noise",
    )
    relative: bool = knob(default=False, doc="multiply stddev by the standard deviation of each weight tensor")
    on: str = selector()

    def draw(self, w: Tensor, generator: torch.Generator) -> Draw:
        return (normal_like(w, generator),)

    def perturb(self, w: Tensor, draw: Draw) -> Tensor:
        noise = w.detach().std(correction=0) * draw[0] if self.relative else draw[0]
        return w + self.stddev * noise
