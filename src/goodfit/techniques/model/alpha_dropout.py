"""Alpha dropout: dropout for self-normalizing networks."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from goodfit.ops.dropout import keep_mask, quantize_rate
from goodfit.reference import Reference
from goodfit.stages import BitNoise, Draw, InputNoise, rate_knob, selector

FLOOR = 1.7580993408473766
"""−SELU(−∞): the scale 1.0507… of the activation times its α 1.6732…"""


class AlphaDropout(BitNoise, InputNoise):
    """Sets a random fraction of the units to SELU's lowest value and rescales to preserve mean 0 and variance 1.

    Formula: x ← a · (x · m − c · (1 − m)) + b
    with m ~ Bernoulli(1 − rate), drawn independently per sample and unit, c = 1.7581,
    a = 1 / √((1 − rate) (1 + rate c²)) and b = a · rate · c.
    For inputs of mean 0 and variance 1, the result has mean 0 and variance 1. It equals the `AlphaDropout` of torch and
    Keras. Rates are rounded to 1/65536. Training only; evaluation is unchanged.

    Shape: activations (batch, …), any shape.

    Helps when: activations are SELU and weights are initialized with LeCun's normal distribution.
    Hurts when: activations are not SELU (the minimum of ReLU is 0, not −1.758): use `Dropout`.

    >>> import torch
    >>> x, bits = torch.tensor([1.0, 1.0]), torch.tensor([32767, -32768], dtype=torch.int16)
    >>> AlphaDropout(0.5).perturb(x, (bits,))
    tensor([ 1.6656, -0.7792])
    """

    references = (
        Reference(
            authors=("G. Klambauer", "T. Unterthiner", "A. Mayr", "S. Hochreiter"),
            title="Self-normalizing neural networks",
            venue="NeurIPS",
            year=2017,
            url="https://arxiv.org/abs/1706.02515",
        ),
    )
    rate: float = rate_knob(0.1, 0.3, "fraction of hidden units set to SELU's lowest value")
    input_rate: float = rate_knob(
        0.0, 0.2, "fraction of the network's inputs (which must be standardized) set to that value"
    )
    on: str = selector()

    def bits_shape(self, x: Tensor) -> Sequence[int]:
        return x.shape

    def perturb(self, x: Tensor, draw: Draw) -> Tensor:
        rate: float = quantize_rate(self.rate)
        kept = keep_mask(draw[0], rate, x.dtype)
        a: float = 1 / ((1 - rate) * (1 + rate * FLOOR**2)) ** 0.5
        return x * (kept * a) + (a * FLOOR) * (kept - (1 - rate))
