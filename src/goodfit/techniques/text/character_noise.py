"""Character noise: misspelt words."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.reference import Reference
from goodfit.stages import Draw
from goodfit.stages.text_base import TextTransform, uniform_like, word_rate_knob


class CharacterNoise(TextTransform):
    """Misspells words: two letters swapped, one left out, or one doubled.

    Formula: each word of three letters or more becomes one of its misspelt forms, evenly drawn, with probability
    `share`. The first letter stays. Networks here read words, not letters: a misspelt form that is a word of
    the vocabulary (tow for two) becomes that word, up to four of them, and any other the unknown word.

    Shape: x (batch, words), the numbers of words; it keeps its shape and dtype.

    Helps when: people type in haste: messages, queries, posts.
    Hurts when: texts are edited, so that no misspelt words will come.

    >>> from goodfit.data.text.words import Words
    >>> words = Words.plain(["to", "too"])
    >>> draw = (torch.tensor([[0.1, 0.1, 0.1]]), torch.tensor([[0.0, 0.9, 0.0]]))
    >>> CharacterNoise(0.5).transform(torch.tensor([[3, 3, 2]]), draw, Inputs("text", words=words))
    tensor([[2, 1, 2]])

    Differs from the paper: it acts on words after they have become numbers; letters are left out or doubled too.
    """

    references = (
        Reference(
            authors=("Y. Belinkov", "Y. Bisk"),
            title="Synthetic and natural noise both break neural machine translation",
            venue="ICLR",
            year=2018,
            url="https://arxiv.org/abs/1711.02173",
        ),
    )
    aliases: ClassVar[tuple[str, ...]] = ("typos",)
    needs_vocabulary: ClassVar[bool] = True
    share: float = word_rate_knob(0.1, (0.02, 0.5), "probability that a word is misspelt")

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return uniform_like(x, generator), uniform_like(x, generator)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        assert inputs.words is not None
        return torch.where(draw[0] < self.share, inputs.words.typos.pick(x, draw[1]), x)
