from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.data.text.vocabulary import Vocabulary
from goodfit.techniques import CharacterNoise


def misspelled(word: str) -> set[str]:
    """Two letters swapped, one omitted or one doubled; the first letter stays."""
    letters = range(1, len(word))
    swapped = {word[:i] + word[j] + word[i] + word[j + 1 :] for i in letters for j in letters if j == i + 1}
    return (swapped | {word[:i] + word[i + 1 :] for i in letters} | {word[: i + 1] + word[i:] for i in letters}) - {
        word
    }


def test_frequency_of_each_form(augment: Callable[..., Tensor], inputs: Inputs, words: Vocabulary) -> None:
    for word, known in (("two", ["to", "tow"]), ("too", ["to"]), ("house", [])):
        x = torch.full((3000, 4), words.index[word])
        result = augment(CharacterNoise(0.6), x, inputs=inputs)
        forms = misspelled(word)
        for form in known:
            assert form in forms
            share = float((result == words.index[form]).float().mean())
            assert abs(share - 0.6 / len(forms)) < 0.02
        unknown = float((result == 1).float().mean())
        assert abs(unknown - 0.6 * (1 - len(known) / len(forms))) < 0.02
        assert abs(float((result == x).float().mean()) - 0.4) < 0.02


def test_short_words_unknown_words_and_padding_do_not_change(
    augment: Callable[..., Tensor], inputs: Inputs, words: Vocabulary
) -> None:
    x = torch.tensor([[words.index["to"], 1, 0, 0]])
    assert torch.equal(augment(CharacterNoise(1.0), x, inputs=inputs), x)
