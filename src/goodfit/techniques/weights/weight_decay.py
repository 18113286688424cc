"""Weight decay, decoupled from the gradient."""

from __future__ import annotations

from typing import ClassVar

from goodfit.reference import Reference
from goodfit.stages import Decay, selector
from goodfit.technique import knob


class WeightDecay(Decay):
    """Shrinks every weight by the same fraction per step, independently of its gradient.

    Formula: w ← (1 − learning_rate · rate) · w before the optimizer's step, as torch's `AdamW(weight_decay=rate)`, with
    any optimizer. With plain SGD it equals L2(rate / 2); with Adam it does not, and usually works better. The cautious
    variant decays a weight only if the optimizer's step does not move it away from zero.

    Shape: any weight tensor.

    Helps when: training is long and the network is large; the first technique to try with Adam.
    Hurts when: it is combined with L2 on the same weights (their effects mix and cannot be tuned separately).

    >>> WeightDecay(0.01).factor(learning_rate=0.1)
    0.999
    """

    references = (
        Reference(
            authors=("I. Loshchilov", "F. Hutter"),
            title="Decoupled weight decay regularization",
            venue="ICLR",
            year=2019,
            url="https://arxiv.org/abs/1711.05101",
        ),
        Reference(
            authors=("L. Chen", "et al."),
            title="Cautious weight decay",
            year=2025,
            topic="cautious",
            url="https://arxiv.org/abs/2510.12402",
        ),
    )
    needs_units: ClassVar[bool] = False
    rate: float = knob(
        default=1e-2,
        low=0,
        search=(1e-5, 1e-1),
        log=True,
        neutral=0.0,
        unit="fraction per learning rate",
        doc="fraction by which a weight shrinks per step, divided by the learning rate",
    )
    cautious: bool = knob(
        default=False, doc="decay a weight only if the optimizer's step does not move it away from zero"
    )
    on: str = selector()

    def factor(self, learning_rate: float) -> float:
        return 1 - learning_rate * self.rate

    def is_cautious(self) -> bool:
        return self.cautious
