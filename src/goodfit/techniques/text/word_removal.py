"""Word removal: words left out, most of all those of low frequency or low weight."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.data.text.words import Words
from goodfit.reference import Reference
from goodfit.stages import Draw
from goodfit.stages.text_base import TextTransform, is_word, remove_words, uniform_like, word_rate_knob
from goodfit.technique import knob


class WordRemoval(TextTransform):
    """Leaves words of low probability out: rare ones, or those that tell little of their text.

    Formula: a word with score s is left out with probability min(1, share · (c − s) / z), where c is the largest score
    of its text and z the mean of c − s over it, so that a share of the words goes, those of low score first, and the
    highest one stays. The score `by` "frequency" is the logarithm of the word's share of all words in the training
    texts: names and misspelt words go. That `by` "tf_idf" is how often it stands in the text, times the logarithm of
    the number of all training texts by that of those that hold it: words that stand everywhere go.

    Shape: x (batch, words), the numbers of words; it keeps its shape and dtype, and is filled up with 0 at the end.

    Helps when: the network remembers texts by their rare words ("frequency"), or words of grammar distract ("tf_idf").
    Hurts when: rare words tell the class ("frequency"); the order of words tells it ("tf_idf").

    >>> words = Words.of(["the", "jurong"], counts=[99, 1], texts=[60, 1], total=80)
    >>> draw = (torch.tensor([[0.5, 0.5, 0.0]]),)
    >>> WordRemoval(0.3).transform(torch.tensor([[2, 3, 0]]), draw, Inputs("text", words=words))
    tensor([[2, 0, 0]])

    Differs from the paper: words are left out, where the paper replaces them; "frequency" is an addition.
    """

    references = (
        Reference(
            authors=("Q. Xie", "Z. Dai", "E. Hovy", "M.-T. Luong", "Q. V. Le"),
            title="Unsupervised data augmentation for consistency training",
            venue="NeurIPS",
            year=2020,
            url="https://arxiv.org/abs/1904.12848",
        ),
    )
    needs_vocabulary: ClassVar[bool] = True
    share: float = word_rate_knob(0.1, (0.02, 0.5), "which share of the words is left out")
    by: str = knob(default="frequency", choices=("frequency", "tf_idf"), doc="what is scored: see the formula")

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return (uniform_like(x, generator),)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        assert inputs.words is not None
        words, scores = is_word(x), self._scores(x, inputs.words)
        below = torch.where(words, scores, -torch.inf).amax(1, keepdim=True) - scores
        below = torch.where(words, below, 0.0)
        mean = below.sum(1, keepdim=True) / words.sum(1, keepdim=True).clamp(min=1)
        chance = self.share * torch.where(mean > 0, below / torch.where(mean > 0, mean, 1.0), 1.0)
        return remove_words(x, words & (draw[0] < chance), draw[0])

    def _scores(self, x: Tensor, words: Words) -> Tensor:
        if self.by == "frequency":
            return words.share.to(x.device)[x].log()
        often = (x[:, :, None] == x[:, None, :]).sum(2)  # (batch, words)
        return often * words.idf.to(x.device)[x]
