"""A small vocabulary, texts, and a comparison of techniques with plain loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from goodfit.data import Inputs
from goodfit.data.text.vocabulary import Vocabulary

NAMES = ["happy", "glad", "felicitous", "prize", "award", "loot", "tow", "two", "to", "too", "the", "house"]
COUNTS = [9, 2, 0, 4, 3, 0, 1, 8, 30, 6, 90, 7]
TEXTS = [8, 2, 0, 4, 2, 0, 1, 7, 20, 5, 40, 7]


@pytest.fixture
def words() -> Vocabulary:
    return Vocabulary.of(NAMES, COUNTS, TEXTS, 50)


@pytest.fixture
def word_counts() -> tuple[list[int], list[int]]:
    """The count of each word, and in how many of 50 texts it occurs, from the unknown word on."""
    return [1, *COUNTS], [1, *TEXTS]


@pytest.fixture
def inputs(words: Vocabulary) -> Inputs:
    return Inputs("text", words=words)


@pytest.fixture
def texts() -> Tensor:
    """400 texts of 1 to 12 words, the same in every test."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randint(1, len(NAMES) + 2, (400, 12), generator=generator)
    long = torch.randint(1, 13, (400, 1), generator=generator)
    return torch.where(torch.arange(12) < long, x, 0)


@pytest.fixture
def by_loops(inputs: Inputs) -> Callable[..., None]:
    """Assert that a technique equals a function of one text, a list without padding."""

    def check(technique: Any, x: Tensor, one: Callable[..., list[int]], seed: int = 1) -> None:
        drawn = technique.sample(x, torch.Generator().manual_seed(seed))
        result = technique.transform(x, drawn, inputs)
        assert result.dtype == x.dtype
        assert result.shape == x.shape
        for row in range(len(x)):
            text = [int(word) for word in x[row] if word != 0]
            expected = one(text, *(d[row].tolist() for d in drawn))
            assert result[row].tolist() == expected + [0] * (x.shape[1] - len(expected))
        assert not torch.equal(result, x)

    return check
