from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.data.text.vocabulary import Vocabulary
from goodfit.techniques import RandomInsertion


def test_equals_a_loop_over_words(words: Vocabulary, texts: Tensor, by_loops: Callable[..., None]) -> None:
    def one(text: list[int], first: list[float], second: list[float], third: list[float]) -> list[int]:
        put: list[tuple[int, int]] = []  # (before this word, inserted word)
        for word, u, v, w in zip(text, first, second, third, strict=False):
            others = words.synonyms_of(word)
            if u < 0.5 and others and len(text) + len(put) < 12:
                put.append((int(w * (len(text) + 1)), words.index[others[int(v * len(others))]]))
        new_words = []
        for place in range(len(text) + 1):
            new_words += [word for before, word in put if before == place]
            new_words += text[place : place + 1]
        return new_words

    by_loops(RandomInsertion(0.5), texts, one)


def test_no_word_is_lost_and_none_inserted_without_padding(
    augment: Callable[..., Tensor], inputs: Inputs, words: Vocabulary
) -> None:
    full = torch.full((3, 6), words.index["happy"])
    assert torch.equal(augment(RandomInsertion(1.0), full, inputs=inputs), full)
    full[:, 4:] = 0
    assert (augment(RandomInsertion(1.0), full, inputs=inputs) != 0).all()
    assert ((augment(RandomInsertion(1.0), full, inputs=inputs) == words.index["happy"]).sum(1) == 4).all()


def test_all_positions_are_equally_likely(augment: Callable[..., Tensor], inputs: Inputs, words: Vocabulary) -> None:
    x = torch.tensor([words.index[w] for w in ("the", "glad", "to")] + [0]).repeat(4000, 1)
    result = augment(RandomInsertion(1.0), x, inputs=inputs)
    places = (result == words.index["happy"]).float().mean(0)
    torch.testing.assert_close(places, torch.full((4,), 0.25), atol=0.03, rtol=0)
