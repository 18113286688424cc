"""Random insertion: synonyms of words are inserted at random positions."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.reference import Reference
from goodfit.stages import Draw
from goodfit.stages.text_base import TextTransform, is_word, uniform_like, word_rate_knob


class RandomInsertion(TextTransform):
    """Inserts synonyms of a text's words at random positions.

    Formula: for each word that has synonyms (see `synonyms`), one of them is inserted with probability `share`, at one
    of the n + 1 positions in a text of n words, drawn uniformly. The original words keep their order, and none is lost:
    there are at most as many insertions as padding at the end.

    Shape: x (batch, word), word ids. Shape and dtype do not change.

    Helps when: there are few texts, in English, and the class depends on which words occur.
    Hurts when: the class depends on the order of words, or texts have no padding.

    >>> from goodfit.data.text.vocabulary import Vocabulary
    >>> words = Vocabulary.of_names(["happy", "glad", "day"])
    >>> draw = (torch.tensor([[0.1, 0.9, 0.1]]), torch.zeros(1, 3), torch.tensor([[0.9, 0.0, 0.0]]))
    >>> RandomInsertion(0.5).transform(torch.tensor([[2, 4, 0]]), draw, Inputs("text", words=words))
    tensor([[2, 4, 3]])

    Differs from the paper: each word is drawn independently, where the paper inserts an exact number of synonyms.
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
    needs_vocabulary: ClassVar[bool] = True
    share: float = word_rate_knob(0.1, (0.02, 0.5), "probability that a synonym of a word is inserted")

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return uniform_like(x, generator), uniform_like(x, generator), uniform_like(x, generator)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        assert inputs.words is not None
        end, words = x.shape[1], is_word(x)
        length = words.sum(1, keepdim=True)
        inserts = words & (draw[0] < self.share) & (inputs.words.synonyms.totals.to(x.device)[x] > 0)
        inserts = inserts & (inserts.cumsum(1) <= end - length)
        number = torch.arange(end, device=x.device, dtype=torch.float32)
        position = (draw[2] * (length + 1)).floor().minimum(length.to(torch.float32))  # before this word
        far = 2.0 * end
        order = torch.cat([torch.where(words, number, far), torch.where(inserts, position - 0.5, far)], 1)
        both = torch.cat([x, torch.where(inserts, inputs.words.synonyms.pick(x, draw[1]), 0)], 1)
        filled = both.gather(1, order.argsort(dim=1, stable=True))[:, :end]
        return torch.where(inserts.any(1, keepdim=True), filled, x)
