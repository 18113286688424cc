"""Synonyms: words are replaced by words of the same meaning."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.reference import Reference
from goodfit.stages import Draw
from goodfit.stages.text_base import TextTransform, uniform_like, word_rate_knob


class Synonyms(TextTransform):
    """Replaces words by synonyms, each word independently.

    Formula: with probability `share`, a word that has synonyms becomes one of them, drawn uniformly. Synonyms are those
    of WordNet 3.0, at most five per word, the most frequent ones first. All synonyms of a word have one part of speech,
    because that of a word in its sentence is unknown: the usual one for frequent words, otherwise the one with the most
    synonyms. Function words (in, he, can) and names have no synonyms. Texts are lower-cased when they are loaded, so
    capital letters do not matter.

    Shape: x (batch, word), word ids. Shape and dtype do not change.

    Helps when: there are few texts, in English, and words of the same meaning indicate the same class.
    Hurts when: the exact word matters (slang, technical terms, style of an author). Texts in other languages have no
    synonyms.

    >>> from goodfit.data.text.vocabulary import Vocabulary
    >>> words = Vocabulary.of_names(["happy", "glad"])
    >>> draw = (torch.tensor([[0.1, 0.9, 0.1]]), torch.tensor([[0.0, 0.0, 0.0]]))
    >>> Synonyms(0.5).transform(torch.tensor([[2, 2, 0]]), draw, Inputs("text", words=words))
    tensor([[3, 2, 0]])

    Differs from the paper: each word is drawn independently, where the paper replaces an exact number of words.
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
