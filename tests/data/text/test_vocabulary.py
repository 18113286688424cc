from __future__ import annotations

from importlib import resources

import numpy as np
import pytest
import torch

from goodfit.data.text.vocabulary import Replacements, Vocabulary, synonyms, typos


def test_synonyms_have_one_part_of_speech_and_are_in_lower_case() -> None:
    assert synonyms("free")[:2] == ["liberal", "spare"]  # not the verb: release, discharge
    assert "award" in synonyms("prize")  # not the verb: value, respect
    assert not synonyms("in")  # not inch, Indiana
    assert not synonyms("us")  # not America
    assert not synonyms("niemand")


def test_the_license_of_wordnet_is_included() -> None:
    text = resources.files("goodfit.data.text").joinpath("wordnet", "LICENSE.txt").read_text("utf-8")
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in text


def test_encode_and_decode() -> None:
    words = Vocabulary.of_names(["good", "bad"])
    assert words.encode(["bad", "worse", "good"]) == [3, 1, 2]
    assert words.decode([3, 1, 0, 2, 0]) == ["bad", "�", "good"]


def test_frequencies_with_one_added() -> None:
    words = Vocabulary.of(["a", "b", "c"], [5, 2, 0], [3, 2, 0], 10)
    counts = np.array([0, 1, 5, 2, 0]) + 1
    np.testing.assert_allclose(words.share, counts / counts.sum(), rtol=1e-6)
    np.testing.assert_allclose(words.idf[2:], np.log(11 / np.array([4, 3, 1])), rtol=1e-6)


def test_synonyms_are_limited_to_the_vocabulary() -> None:
    words = Vocabulary.of_names(["glad", "happy", "house", "beaming"])
    table = words.synonyms
    assert [words.decode(row) for row in table.ids.tolist()] == [[], [], ["happy", "beaming"], ["glad"], [], ["glad"]]
    assert table.counts.tolist() == [0, 0, 2, 1, 0, 1]


@pytest.mark.parametrize("word", ["ab", "gr8", "don't", "!!!", ""])
def test_words_that_have_no_misspelt_forms(word: str) -> None:
    assert typos(word) == []


def test_misspelt_forms_outside_of_the_vocabulary() -> None:
    words = Vocabulary.of_names(["two", "to", "tow"])
    forms = words.typos
    assert forms.totals[2] == len(typos("two")) == 5
    assert sorted(words.decode(forms.ids[2].tolist())) == ["to", "tow"]


def test_replacements_are_picked_uniformly() -> None:
    replacements = Replacements.of([[], [], [5, 6, 7], [8]], [0, 0, 4, 1])
    uniform = torch.tensor([[0.0, 0.24, 0.26, 0.5, 0.76, 0.9999999403953552]])
    assert replacements.pick(torch.full((1, 6), 2), uniform).tolist() == [[5, 5, 6, 7, 1, 1]]
    assert replacements.pick(torch.tensor([[0, 1, 3]]), uniform[:, 3:]).tolist() == [[0, 1, 8]]
    empty = Replacements.of([[], []])
    assert empty.pick(torch.tensor([[0, 1]]), uniform[:, :2]).tolist() == [[0, 1]]
