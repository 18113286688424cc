"""Random deletion: words left out."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.reference import Reference
from goodfit.stages import Draw
from goodfit.stages.text_base import TextTransform, is_word, remove_words, uniform_like, word_rate_knob


class RandomDeletion(TextTransform):
    """Leaves words out; the others close up.

    Formula: each word is left out with probability `share`; of a text that would be empty, an evenly drawn word stays.

    Shape: x (batch, words), the numbers of words; it keeps its shape and dtype, and is filled up with 0 at the end.

    Helps when: the network leans on single words; in any language.
    Hurts when: one word turns the meaning (not); texts are very short.

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
    share: float = word_rate_knob(0.1, (0.02, 0.5), "probability that a word is left out")

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return (uniform_like(x, generator),)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        return remove_words(x, is_word(x) & (draw[0] < self.share), draw[0])
