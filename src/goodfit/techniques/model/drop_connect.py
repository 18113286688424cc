"""DropConnect: single weights switched off at random."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from goodfit.ops.dropout import dropout_factors
from goodfit.reference import Reference
from goodfit.stages import BitNoise, Draw, WeightPerturbation, selector
from goodfit.technique import knob


class DropConnect(BitNoise, WeightPerturbation):
    """Computes each training batch with a random share of the weights at zero and the rest scaled up.

    Formula: the forward pass uses w · m / (1 − rate), m ~ Bernoulli(1 − rate), drawn anew per batch and weight; dropped
    weights get no gradient from that batch. Evaluation uses w, the mean. It drops single connections; `Dropout` drops
    units, and `DropPath` whole residual branches (some libraries call that drop connect). The rate is rounded to
    1/65536.

    Shape: any weight tensor.

    Helps when: dense layers are wide.
    Hurts when: batches are large and few: all rows of a batch share one mask.

    >>> import torch
    >>> drawn = torch.tensor([[32767, -32768]], dtype=torch.int16)
    >>> DropConnect(0.75).perturb(torch.tensor([[1.0, -2.0]]), (drawn,))
    tensor([[4., -0.]])

    Differs from the paper: one mask per batch, not per sample; the kept weights are scaled up in training, and
    evaluation uses the mean weights in place of moment matching by sampling.
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
        unit="share",
        doc="share of weights set to zero",
    )
    on: str = selector()

    def bits_shape(self, x: Tensor) -> Sequence[int]:
        return x.shape

    def perturb(self, w: Tensor, draw: Draw) -> Tensor:
        return w * dropout_factors(draw[0], self.rate, w.dtype)
