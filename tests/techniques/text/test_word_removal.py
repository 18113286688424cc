from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.data.text.vocabulary import Vocabulary
from goodfit.errors import InputError
from goodfit.techniques import WordRemoval

WordCounts = tuple[list[int], list[int]]


def scored(text: list[int], by: str, word_counts: WordCounts) -> list[float]:
    """The scores by the formula, from the counts of the vocabulary."""
    counts, texts = word_counts
    if by == "frequency":
        every = sum(n + 1 for n in counts) + 1
        return [math.log((counts[word - 1] + 1) / every) for word in text]
    return [text.count(word) * math.log(51 / (texts[word - 1] + 1)) for word in text]


@pytest.mark.parametrize("by", ["frequency", "tf_idf"])
def test_equals_a_loop_over_words(
    texts: Tensor, by_loops: Callable[..., None], word_counts: WordCounts, by: str
) -> None:
    def one(text: list[int], drawn: list[float]) -> list[int]:
        scores = scored(text, by, word_counts)
        below = [max(scores) - s for s in scores]
        mean = sum(below) / len(below)
        chances = [0.3 * b / mean if mean > 0 else 0.3 for b in below]
        left = [word for word, u, p in zip(text, drawn, chances, strict=False) if u >= p]
        return left or [text[max(range(len(text)), key=lambda i: drawn[i])]]

    by_loops(WordRemoval(0.3, by), texts, one)


def test_which_words_are_removed(augment: Callable[..., Tensor], inputs: Inputs, words: Vocabulary) -> None:
    x = torch.tensor([words.index[w] for w in ("the", "house", "tow", "to")]).repeat(4000, 1)
    for by, most in (("frequency", "tow"), ("tf_idf", "the")):
        result = augment(WordRemoval(0.25, by), x, inputs=inputs)
        left = {w: float((result == words.index[w]).any(1).float().mean()) for w in ("the", "house", "tow", "to")}
        assert min(left, key=lambda w: left[w]) == most
        assert abs(sum(left.values()) / 4 - 0.75) < 0.02
        highest = {"frequency": "the", "tf_idf": "tow"}[by]
        assert left[highest] == 1.0


def test_a_vocabulary_is_required(augment: Callable[..., Tensor], texts: Tensor) -> None:
    with pytest.raises(InputError, match="WordRemoval: it must know the words behind the word ids"):
        augment(WordRemoval(0.3), texts, inputs=Inputs("text"))
