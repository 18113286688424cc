"""Word dropout: words are replaced by the unknown word."""

from __future__ import annotations

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.data.text.vocabulary import UNKNOWN
from goodfit.reference import Reference
from goodfit.stages import Draw
from goodfit.stages.text_base import TextTransform, is_word, uniform_like, word_rate_knob


class WordDropout(TextTransform):
    """Replaces words by the unknown word at random.

    Formula: each word becomes number 1, the unknown word, with probability `rate`.

    Shape: x (batch, word), word ids. Shape and dtype do not change.

    Helps when: the network relies on single words, or new texts have many words that do not occur in the training
    texts.
    Hurts when: a single word reverses the meaning.

    >>> WordDropout(0.5).transform(torch.tensor([[5, 6, 0]]), (torch.tensor([[0.1, 0.9, 0.1]]),), Inputs("text"))
    tensor([[1, 6, 0]])

    Differs from the paper: it changes the input of a classifier, where the paper changes that of a decoder.
    """

    references = (
        Reference(
            authors=("S. R. Bowman", "L. Vilnis", "O. Vinyals", "A. M. Dai", "R. Jozefowicz", "S. Bengio"),
            title="Generating sentences from a continuous space",
            venue="CoNLL",
            year=2016,
            url="https://arxiv.org/abs/1511.06349",
        ),
    )
    rate: float = word_rate_knob(0.1, (0.02, 0.5), "probability that a word becomes the unknown word")

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return (uniform_like(x, generator),)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        return torch.where(is_word(x) & (draw[0] < self.rate), UNKNOWN, x)
