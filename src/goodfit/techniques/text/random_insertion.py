"""Random insertion: synonyms of words put in at random places."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from goodfit.data.inputs import Inputs
from goodfit.reference import Reference
from goodfit.stages import Draw
from goodfit.stages.text_base import TextTransform, is_word, uniform_like, word_rate_knob


class RandomInsertion(TextTransform):
    """Puts synonyms of a text's words in at random places of it.

    Formula: each word that has synonyms (see `synonyms`) calls one of them with probability `share`; it is put in at an
    evenly drawn place, of which a text of n words has n + 1. The words that the text had keep their order, and none is
    lost: there are at most as many insertions as there is room behind the text's end.

    Shape: x (batch, words), the numbers of words; it keeps its shape and dtype.

    Helps when: texts are few and English, and which words occur tells the class.
    Hurts when: the order of words tells the class; texts fill the whole length, so that there is no room.

    >>> from goodfit.data.text.words import Words
    >>> words = Words.plain(["happy", "glad", "day"])
    >>> draw = (torch.tensor([[0.1, 0.9, 0.1]]), torch.zeros(1, 3), torch.tensor([[0.9, 0.0, 0.0]]))
    >>> RandomInsertion(0.5).transform(torch.tensor([[2, 4, 0]]), draw, Inputs("text", words=words))
    tensor([[2, 4, 3]])

    Differs from the paper: each word is drawn by itself, where the paper inserts an exact number of synonyms.
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
    share: float = word_rate_knob(0.1, (0.02, 0.5), "probability that a synonym of a word is put in")

    def sample(self, x: Tensor, generator: torch.Generator) -> Draw:
        return uniform_like(x, generator), uniform_like(x, generator), uniform_like(x, generator)

    def transform(self, x: Tensor, draw: Draw, inputs: Inputs) -> Tensor:
        assert inputs.words is not None
        end, words = x.shape[1], is_word(x)
        long = words.sum(1, keepdim=True)
        calls = words & (draw[0] < self.share) & (inputs.words.synonyms.all.to(x.device)[x] > 0)
        calls = calls & (calls.cumsum(1) <= end - long)
        number = torch.arange(end, device=x.device, dtype=torch.float32)
        place = (draw[2] * (long + 1)).floor().minimum(long.to(torch.float32))  # before which word
        far = 2.0 * end
        order = torch.cat([torch.where(words, number, far), torch.where(calls, place - 0.5, far)], 1)
        both = torch.cat([x, torch.where(calls, inputs.words.synonyms.pick(x, draw[1]), 0)], 1)
        filled = both.gather(1, order.argsort(dim=1, stable=True))[:, :end]
        return torch.where(calls.any(1, keepdim=True), filled, x)
