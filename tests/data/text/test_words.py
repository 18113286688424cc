from __future__ import annotations

from importlib import resources

import numpy as np
import pytest
import torch

from goodfit.data.text.words import Choices, Words, synonyms, typos


def test_synonyms_are_of_one_part_of_speech_in_small_letters() -> None:
    assert synonyms("free")[:2] == ["liberal", "spare"]  # not the verb: release, discharge
    assert "award" in synonyms("prize")  # not the verb: value, respect
    assert not synonyms("in")  # not inch, Indiana
    assert not synonyms("us")  # not America
    assert not synonyms("niemand")


def test_the_notice_is_beside_the_words() -> None:
    text = resources.files("goodfit.data.text").joinpath("wordnet", "LICENSE.txt").read_text("utf-8")
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in text


def test_numbers_and_names() -> None:
    words = Words.plain(["good", "bad"])
    assert words.numbers(["bad", "worse", "good"]) == [3, 1, 2]
    assert words.name([3, 1, 0, 2, 0]) == ["bad", "�", "good"]


def test_frequencies_with_one_added() -> None:
    words = Words.of(["a", "b", "c"], [5, 2, 0], [3, 2, 0], 10)
    counts = np.array([0, 1, 5, 2, 0]) + 1
    np.testing.assert_allclose(words.share, counts / counts.sum(), rtol=1e-6)
    np.testing.assert_allclose(words.idf[2:], np.log(11 / np.array([4, 3, 1])), rtol=1e-6)


def test_synonyms_are_those_of_the_vocabulary() -> None:
    words = Words.plain(["glad", "happy", "house", "beaming"])
    table = words.synonyms
    assert [words.name(row) for row in table.ids.tolist()] == [[], [], ["happy", "beaming"], ["glad"], [], ["glad"]]
    assert table.known.tolist() == [0, 0, 2, 1, 0, 1]


@pytest.mark.parametrize("word", ["ab", "gr8", "don't", "!!!", ""])
def test_what_is_never_misspelt(word: str) -> None:
    assert typos(word) == []


def test_misspelt_forms_that_no_number_stands_for() -> None:
    words = Words.plain(["two", "to", "tow"])
    forms = words.typos
    assert forms.all[2] == len(typos("two")) == 5
    assert sorted(words.name(forms.ids[2].tolist())) == ["to", "tow"]


def test_choices_are_picked_evenly() -> None:
    choices = Choices.of([[], [], [5, 6, 7], [8]], [0, 0, 4, 1])
    drawn = torch.tensor([[0.0, 0.24, 0.26, 0.5, 0.76, 0.9999999403953552]])
    assert choices.pick(torch.full((1, 6), 2), drawn).tolist() == [[5, 5, 6, 7, 1, 1]]
    assert choices.pick(torch.tensor([[0, 1, 3]]), drawn[:, 3:]).tolist() == [[0, 1, 8]]
    empty = Choices.of([[], []])
    assert empty.pick(torch.tensor([[0, 1]]), drawn[:, :2]).tolist() == [[0, 1]]
