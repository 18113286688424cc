"""Random swap: words that change places."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.reference import Reference
from goodfit.stages import Draw
from goodfit.stages.text_base import TextTransform, is_word, uniform_like, word_rate_knob


class RandomSwap(TextTransform):
    """Lets pairs of words of a text change places.

    Formula: each word is chosen with probability `share`; the chosen ones are paired at random, and the two words of a
    pair change places. One that is left over stays.

    Shape: x (batch, words), the numbers of words; it keeps its shape and dtype.

    Helps when: the network reads the order of words though which words occur tells the class.
    Hurts when: the order tells the class; a network that takes the mean of its words does not see it at all.

    >>> draw = (torch.tensor([[0.2, 0.9, 0.1, 0.0]]),)
    >>> RandomSwap(0.5).transform(torch.tensor([[5, 6, 7, 0]]), draw, Inputs("text"))
    tensor([[7, 6, 5, 0]])

    Differs from the paper: a word changes places once at most, and the number of pairs is drawn too.
    """

    references = (
        Reference(
            authors=("J. Wei", "K. Zou"),
            title="EDA: easy data augmentation techniques for boosting performance on text classification tasks",
            venue="EMNLP",
            year=2019,
            url="https://arxiv.org/abs/1901.11196",
        ),
    )
    share: float = word_rate_knob(0.1, (0.02, 0.5), "probability that a word is chosen to change places")

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return (uniform_like(x, generator),)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        chosen = is_word(x) & (draw[0] < self.share)
        order = torch.where(chosen, draw[0], 2.0).argsort(
            dim=1, stable=True
        )  # the chosen ones come first, in random order
        place = torch.arange(x.shape[1], device=x.device)
        words = x.gather(1, order)
        partners = words[:, (place ^ 1).clamp(max=x.shape[1] - 1)]
        paired = (place | 1) < chosen.sum(1, keepdim=True)
        return x.scatter(1, order, torch.where(paired, partners, words))
