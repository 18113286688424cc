from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.data.text.vocabulary import Vocabulary
from goodfit.techniques import RandomInsertion


def test_as_a_loop_over_words(words: Vocabulary, many: Tensor, by_loops: Callable[..., None]) -> None:
    def one(text: list[int], first: list[float], second: list[float], third: list[float]) -> list[int]:
        put: list[tuple[int, int]] = []  # before which word, what
        for word, u, v, w in zip(text, first, second, third, strict=False):
            others = words.synonyms_of(word)
            if u < 0.5 and others and len(text) + len(put) < 12:
                put.append((int(w * (len(text) + 1)), words.index[others[int(v * len(others))]]))
        made = []
        for place in range(len(text) + 1):
            made += [word for before, word in put if before == place]
            made += text[place : place + 1]
        return made

    by_loops(RandomInsertion(0.5), many, one)


def test_no_word_is_lost_and_none_put_in_without_room(
    augment: Callable[..., Tensor], inputs: Inputs, words: Vocabulary
) -> None:
    full = torch.full((3, 6), words.index["happy"])
    assert torch.equal(augment(RandomInsertion(1.0), full, inputs=inputs), full)
    full[:, 4:] = 0
    assert (augment(RandomInsertion(1.0), full, inputs=inputs) != 0).all()
    assert ((augment(RandomInsertion(1.0), full, inputs=inputs) == words.index["happy"]).sum(1) == 4).all()


def test_every_place_is_as_likely(augment: Callable[..., Tensor], inputs: Inputs, words: Vocabulary) -> None:
    x = torch.tensor([words.index[w] for w in ("the", "glad", "to")] + [0]).repeat(4000, 1)
    found = augment(RandomInsertion(1.0), x, inputs=inputs)
    places = (found == words.index["happy"]).float().mean(0)
    torch.testing.assert_close(places, torch.full((4,), 0.25), atol=0.03, rtol=0)
