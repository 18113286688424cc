"""Random deletion: words are removed at random."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.reference import Reference
from goodfit.stages import Draw
from goodfit.stages.text_base import TextTransform, is_word, remove_words, uniform_like, word_rate_knob


class RandomDeletion(TextTransform):
    """Removes words at random and closes the gaps.

    Formula: each word is removed with probability `share`. If all words of a text would be removed, one word, drawn
    uniformly, stays.

    Shape: x (batch, word), word ids. Shape and dtype do not change; texts are padded with 0 at the end.

    Helps when: the network relies on single words. It works for all languages.
    Hurts when: a single word reverses the meaning (not), or texts are very short.

    >>> draw = (torch.tensor([[0.1, 0.9, 0.9]]),)
    >>> RandomDeletion(0.5).transform(torch.tensor([[5, 6, 0]]), draw, Inputs("text"))
    tensor([[6, 0, 0]])
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
    share: float = word_rate_knob(0.1, (0.02, 0.5), "probability that a word is removed")

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return (uniform_like(x, generator),)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        return remove_words(x, is_word(x) & (draw[0] < self.share), draw[0])
