"""DropConnect: set single weights to zero at random."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from goodfit.ops.dropout import dropout_factors
from goodfit.reference import Reference
from goodfit.stages import BitNoise, Draw, WeightPerturbation, selector
from goodfit.technique import knob


class DropConnect(BitNoise, WeightPerturbation):
    """Sets a random fraction of the weights to zero for each training batch and rescales the rest.

    Formula: the forward pass uses w · m / (1 − rate), m ~ Bernoulli(1 − rate), drawn independently per batch and
    weight; dropped weights get no gradient from that batch. It drops single connections; `Dropout` drops units, and
    `DropPath` drops whole residual branches (some libraries call that drop connect). The rate is rounded to 1/65536.
    Training only; evaluation uses w.

    Shape: any weight tensor.

    Helps when: dense layers are wide.
    Hurts when: batches are large and few, because all samples of a batch share one mask.

    >>> import torch
    >>> bits = torch.tensor([[32767, -32768]], dtype=torch.int16)
    >>> DropConnect(0.75).perturb(torch.tensor([[1.0, -2.0]]), (bits,))
    tensor([[4., -0.]])

    Differs from the paper: one mask per batch, not per sample; the kept weights are scaled up in training, and
    evaluation uses the mean weights instead of moment matching by sampling.
    """

    references = (
        Reference(
            authors=("L. Wan", "M. Zeiler", "S. Zhang", "Y. LeCun", "R. Fergus"),
            title="Regularization of neural networks using DropConnect",
            venue="ICML",
            year=2013,
            url="https://proceedings.mlr.press/v28/wan13.html",
        ),
    )
    rate: float = knob(
        default=0.25,
        low=0,
        high=1,
        open_right=True,
        search=(0.0, 0.6),
        neutral=0.0,
        unit="fraction",
        doc="fraction of the weights set to zero",
    )
    on: str = selector()

    def bits_shape(self, x: Tensor) -> Sequence[int]:
        return x.shape

    def perturb(self, w: Tensor, draw: Draw) -> Tensor:
        return w * dropout_factors(draw[0], self.rate, w.dtype)
