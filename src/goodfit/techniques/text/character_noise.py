"""Character noise: words are misspelled at random."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.reference import Reference
from goodfit.stages import Draw
from goodfit.stages.text_base import TextTransform, uniform_like, word_rate_knob


class CharacterNoise(TextTransform):
    """Misspells words: two letters are swapped, one is omitted, or one is doubled.

    Formula: with probability `share`, a word of at least three letters becomes one of its misspelled forms, drawn
    uniformly. The first letter does not change. Networks here read words instead of letters: a misspelled form that is
    in the vocabulary (tow for two) becomes that word, up to four of them; all other forms become the unknown word.

    Shape: x (batch, word), word ids. Shape and dtype do not change.

    Helps when: texts are typed in a hurry (messages, queries, posts).
    Hurts when: texts are edited, so that misspelled words do not occur.

    >>> from goodfit.data.text.vocabulary import Vocabulary
    >>> words = Vocabulary.of_names(["to", "too"])
    >>> draw = (torch.tensor([[0.1, 0.1, 0.1]]), torch.tensor([[0.0, 0.9, 0.0]]))
    >>> CharacterNoise(0.5).transform(torch.tensor([[3, 3, 2]]), draw, Inputs("text", words=words))
    tensor([[2, 1, 2]])

    Differs from the paper: it acts on word ids; letters are also omitted or doubled.
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
    share: float = word_rate_knob(0.1, (0.02, 0.5), "probability that a word is misspelled")

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return uniform_like(x, generator), uniform_like(x, generator)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        assert inputs.words is not None
        return torch.where(draw[0] < self.share, inputs.words.typos.pick(x, draw[1]), x)
