from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.data.text.vocabulary import Vocabulary
from goodfit.techniques import Synonyms


def test_equals_a_loop_over_words(words: Vocabulary, texts: Tensor, by_loops: Callable[..., None]) -> None:
    table = {"happy": ["glad", "felicitous"], "glad": ["happy"], "felicitous": ["happy"],
             "prize": ["award", "loot"], "award": ["prize"], "loot": ["prize"]}  # fmt: skip

    def one(text: list[int], first: list[float], second: list[float]) -> list[int]:
        new = []
        for word, u, v in zip(text, first, second, strict=False):
            others = table.get(words.names[word], [])
            new.append(words.index[others[int(v * len(others))]] if u < 0.4 and others else word)
        return new

    by_loops(Synonyms(0.4), texts, one)


def test_share_of_the_words_with_synonyms(augment: Callable[..., Tensor], inputs: Inputs, words: Vocabulary) -> None:
    x = torch.full((2000, 5), words.index["happy"])
    result = augment(Synonyms(0.3), x, inputs=inputs)
    counts = torch.bincount(result.flatten(), minlength=len(words)) / x.numel()
    others = [words.index[s] for s in words.synonyms_of(words.index["happy"])]
    assert len(others) >= 2
    for other in others:
        assert abs(float(counts[other]) - 0.3 / len(others)) < 0.02
    assert abs(float(counts[words.index["happy"]]) - 0.7) < 0.02


def test_padding_and_words_without_synonyms(augment: Callable[..., Tensor], inputs: Inputs, words: Vocabulary) -> None:
    x = torch.tensor([[words.index["the"], 1, words.index["to"], 0, 0]])
    assert torch.equal(augment(Synonyms(1.0), x, inputs=inputs), x)


def test_draws_differ_between_texts_and_calls(
    augment: Callable[..., Tensor], inputs: Inputs, words: Vocabulary
) -> None:
    x = torch.full((2, 40), words.index["happy"])
    result = augment(Synonyms(0.5), x, inputs=inputs)
    assert not torch.equal(result[0], result[1])
    assert not torch.equal(result, augment(Synonyms(0.5), x, inputs=inputs, seed=1))
