"""Random swap: words exchange their positions."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.reference import Reference
from goodfit.stages import Draw
from goodfit.stages.text_base import TextTransform, is_word, uniform_like, word_rate_knob


class RandomSwap(TextTransform):
    """Swaps random pairs of words in a text.

    Formula: each word is selected with probability `share`. The selected words are paired at random, and the two words
    of a pair swap positions. If their number is odd, one word does not move.

    Shape: x (batch, word), word ids. Shape and dtype do not change.

    Helps when: the network reads the order of words, but the class depends on which words occur.
    Hurts when: the class depends on the order. A network that averages over words is not affected.

    >>> draw = (torch.tensor([[0.2, 0.9, 0.1, 0.0]]),)
    >>> RandomSwap(0.5).transform(torch.tensor([[5, 6, 7, 0]]), draw, Inputs("text"))
    tensor([[7, 6, 5, 0]])

    Differs from the paper: a word moves at most once, and the number of pairs is random.
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
    share: float = word_rate_knob(0.1, (0.02, 0.5), "probability that a word is selected for a swap")

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return (uniform_like(x, generator),)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        selected = is_word(x) & (draw[0] < self.share)
        # Selected words come first, in random order.
        order = torch.where(selected, draw[0], 2.0).argsort(dim=1, stable=True)
        position = torch.arange(x.shape[1], device=x.device)
        words = x.gather(1, order)
        partners = words[:, (position ^ 1).clamp(max=x.shape[1] - 1)]
        paired = (position | 1) < selected.sum(1, keepdim=True)
        return x.scatter(1, order, torch.where(paired, partners, words))
