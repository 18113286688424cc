"""Word removal: words with low scores are removed at random."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.data.text.vocabulary import Vocabulary
from goodfit.reference import Reference
from goodfit.stages import Draw
from goodfit.stages.text_base import TextTransform, is_word, remove_words, uniform_like, word_rate_knob
from goodfit.technique import knob


class WordRemoval(TextTransform):
    """Removes words with low scores at random: rare words, or words that are uninformative.

    Formula: a word with score s is removed with probability min(1, share · (c − s) / z), where c is the highest score
    in the text and z is the mean of c − s over the text. About `share` of the words are removed, those with low scores
    more often, and the word with the highest score never; if all scores are equal, every word is removed with
    probability `share`. by="frequency": the score is the logarithm of the word's
    fraction of all words in the training texts, so that names and misspelled words are removed. by="tf_idf": the score
    is the word's count in the text times log(training texts / training texts with the word), so that words that occur
    everywhere are removed.

    Shape: x (batch, word), word ids. Shape and dtype do not change; texts are padded with 0 at the end.

    Helps when: the network memorizes texts by their rare words ("frequency"), or function words distract it ("tf_idf").
    Hurts when: the class depends on rare words ("frequency") or on the order of words ("tf_idf").

    >>> words = Vocabulary.of(["the", "jurong"], counts=[99, 1], texts=[60, 1], total=80)
    >>> draw = (torch.tensor([[0.5, 0.5, 0.0]]),)
    >>> WordRemoval(0.3).transform(torch.tensor([[2, 3, 0]]), draw, Inputs("text", words=words))
    tensor([[2, 0, 0]])

    Differs from the paper: words are removed, where the paper replaces them; "frequency" is an addition.
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
    share: float = word_rate_knob(0.1, (0.02, 0.5), "fraction of the words that is removed")
    by: str = knob(default="frequency", choices=("frequency", "tf_idf"), doc="how words are scored: see the formula")

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return (uniform_like(x, generator),)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        assert inputs.words is not None
        words, scores = is_word(x), self._scores(x, inputs.words)
        below = torch.where(words, scores, -torch.inf).amax(1, keepdim=True) - scores
        below = torch.where(words, below, 0.0)
        mean = below.sum(1, keepdim=True) / words.sum(1, keepdim=True).clamp(min=1)
        probability = self.share * torch.where(mean > 0, below / torch.where(mean > 0, mean, 1.0), 1.0)
        return remove_words(x, words & (draw[0] < probability), draw[0])

    def _scores(self, x: Tensor, words: Vocabulary) -> Tensor:
        if self.by == "frequency":
            return words.share.to(x.device)[x].log()
        counts = (x[:, :, None] == x[:, None, :]).sum(2)  # (batch, words)
        return counts * words.idf.to(x.device)[x]
