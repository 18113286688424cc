"""Synonyms: words replaced by others of the same meaning."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.reference import Reference
from goodfit.stages import Draw
from goodfit.stages.text_base import TextTransform, uniform_like, word_rate_knob


class Synonyms(TextTransform):
    """Replaces words by synonyms, each word by a draw of its own.

    Formula: each word that has synonyms becomes one of them, evenly drawn, with probability `share`. Synonyms are those
    of WordNet 3.0, up to five for a word, the most frequent first. Those of a word are of one part of speech: which
    one it has in a sentence is not known, so it is the usual one of frequent words, else the one with most synonyms.
    Words of grammar (in, he, can) and names have none. The case of letters is folded when texts are read, so it stays.

    Shape: x (batch, words), the numbers of words; it keeps its shape and dtype.

    Helps when: texts are few and English; words of one meaning tell the same class.
    Hurts when: the exact word tells the class (slang, terms, signs of an author); texts of other languages have none.

    >>> from goodfit.data.text.words import Words
    >>> words = Words.plain(["happy", "glad"])
    >>> draw = (torch.tensor([[0.1, 0.9, 0.1]]), torch.tensor([[0.0, 0.0, 0.0]]))
    >>> Synonyms(0.5).transform(torch.tensor([[2, 2, 0]]), draw, Inputs("text", words=words))
    tensor([[3, 2, 0]])

    Differs from the paper: each word is drawn by itself, where the paper replaces an exact number of them.
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
    aliases: ClassVar[tuple[str, ...]] = ("synonym_replacement",)
    needs_vocabulary: ClassVar[bool] = True
    share: float = word_rate_knob(0.1, (0.02, 0.5), "probability that a word becomes a synonym")

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return uniform_like(x, generator), uniform_like(x, generator)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        assert inputs.words is not None
        return torch.where(draw[0] < self.share, inputs.words.synonyms.pick(x, draw[1]), x)
