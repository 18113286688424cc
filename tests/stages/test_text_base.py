"""Operations on texts of word ids, padded with 0."""

from __future__ import annotations

import torch

from goodfit.stages.text_base import is_word, remove_words, uniform_like

X = torch.tensor([[5, 6, 7, 8], [9, 3, 0, 0], [4, 0, 0, 0], [0, 0, 0, 0]])


def test_padding_is_no_word() -> None:
    assert is_word(X).sum(1).tolist() == [4, 2, 1, 0]


def test_removed_words_leave_no_gap() -> None:
    removed = torch.tensor([[True, False, True, False], [False, True, False, False], [False] * 4, [False] * 4])
    result = remove_words(X, removed, torch.zeros(4, 4))
    assert result.tolist() == [[6, 8, 0, 0], [9, 0, 0, 0], [4, 0, 0, 0], [0, 0, 0, 0]]


def test_the_word_with_the_largest_noise_stays_if_all_are_removed() -> None:
    noise = torch.tensor([[0.1, 0.4, 0.3, 0.2], [0.1, 0.2, 0.9, 0.9], [0.0, 0.9, 0.9, 0.9], [0.5] * 4])
    result = remove_words(X, torch.ones(4, 4, dtype=torch.bool), noise)
    assert result.tolist() == [[6, 0, 0, 0], [3, 0, 0, 0], [4, 0, 0, 0], [0, 0, 0, 0]]


def test_padding_cannot_be_removed() -> None:
    assert torch.equal(remove_words(X, X == 0, torch.zeros(4, 4)), X)


def test_uniform_numbers_follow_from_the_generator() -> None:
    first, second = (uniform_like(X, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(first, second)
    assert (first.shape, first.dtype) == (X.shape, torch.float32)
    assert 0 <= float(first.min()) < float(first.max()) < 1
