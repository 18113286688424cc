"""The vocabulary: ids of words, their frequencies, synonyms and misspelt forms."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources

import torch
from torch import Tensor

PADDING, UNKNOWN = 0, 1
"""The ids that fill up short texts and that represent all words outside of the vocabulary."""
SPECIAL_NAMES = ("", "�")
"""The names of padding and of unknown words."""
MIN_LETTERS = 3
"""Shorter words have no misspelt forms."""
MAX_TYPOS = 4
"""Maximum number of misspelt forms of a word that keep their own id; further ones become unknown words."""


@dataclass(frozen=True, eq=False)
class Replacements:
    """The words that can replace each word of the vocabulary.

    Shape: ids (vocabulary, largest count), padded with 0; counts (vocabulary,), the number of ids of each word; totals
    (vocabulary,), the number of replacements including those outside of the vocabulary.
    """

    ids: Tensor
    counts: Tensor
    totals: Tensor

    @classmethod
    def of(cls, ids: Sequence[Sequence[int]], totals: Sequence[int] | None = None) -> Replacements:
        """From the ids of each word's replacements; `totals` also counts replacements without an id."""
        width = max(map(len, ids), default=0) or 1
        padded = torch.tensor([[*row, *[PADDING] * (width - len(row))] for row in ids]).reshape(len(ids), width)
        counts = torch.tensor([len(row) for row in ids])
        return cls(padded, counts, counts if totals is None else torch.tensor(totals))

    def pick(self, x: Tensor, uniform: Tensor) -> Tensor:
        """Replace each word by one of its replacements, chosen by uniform random numbers in [0, 1).

        Words without replacements stay; replacements outside of the vocabulary become `UNKNOWN`.

        Shape: x, uniform (batch, words) → (batch, words).

        >>> Replacements.of([[], [], [3, 4], []]).pick(torch.tensor([[2, 2, 3]]), torch.tensor([[0.4, 0.6, 0.5]]))
        tensor([[3, 4, 3]])
        """
        ids, counts, totals = (table.to(x.device) for table in (self.ids, self.counts, self.totals))
        total, width = totals[x], ids.shape[1]
        choice = torch.minimum((uniform * total).long(), total - 1)  # −1 without replacements
        column = choice.clamp(0, width - 1)
        replaced = torch.where(choice < counts[x], ids.flatten()[x * width + column], UNKNOWN)
        return torch.where(total > 0, replaced, x)


@dataclass(frozen=True, eq=False)
class Vocabulary:
    """A vocabulary: `names[i]` is the word with id i; id 0 is padding, id 1 any word outside of the vocabulary.

    Shape: share (vocabulary,), the word's share of all words; idf (vocabulary,), the logarithm of the number of texts
    divided by the number of texts that contain the word. Both add one to each count, because some words of the
    vocabulary (synonyms) may be in no text.

    >>> words = Vocabulary.of(["good", "well", "wel", "goodness"], counts=[3, 1, 0, 0], texts=[2, 1, 0, 0], total=2)
    >>> words.decode(words.encode(["good", "mystery"]))
    ['good', '�']
    """

    names: tuple[str, ...]
    share: Tensor
    idf: Tensor

    @classmethod
    def of(cls, names: Sequence[str], counts: Sequence[int], texts: Sequence[int], total: int) -> Vocabulary:
        """From words, their counts, and the number of texts (of `total`) with each. Unknown words count as rare."""
        frequencies = torch.tensor([0, 1, *counts], dtype=torch.float64) + 1
        in_texts = torch.tensor([0, 1, *texts], dtype=torch.float64) + 1
        share, idf = frequencies / frequencies.sum(), ((1 + total) / in_texts).log()
        return cls((*SPECIAL_NAMES, *names), share.float(), idf.float())

    @classmethod
    def of_names(cls, names: Sequence[str]) -> Vocabulary:
        """A vocabulary without frequencies: every word counts once.

        >>> len(Vocabulary.of_names(["good", "bad"]))
        4
        """
        return cls.of(names, [1] * len(names), [1] * len(names), len(names))

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def index(self) -> Mapping[str, int]:
        """The id of each word."""
        return {name: i for i, name in enumerate(self.names) if i > UNKNOWN and name}

    def encode(self, text: Sequence[str]) -> list[int]:
        """The ids of words."""
        return [self.index.get(word, UNKNOWN) for word in text]

    def decode(self, ids: Sequence[int]) -> list[str]:
        """The words of ids, without padding."""
        return [self.names[i] for i in ids if i != PADDING]

    def synonyms_of(self, word: int) -> list[str]:
        """The synonyms of a word (by id) that are in the vocabulary, the most frequent first."""
        return [name for name in synonyms(self.names[word]) if name in self.index]

    @cached_property
    def synonyms(self) -> Replacements:
        """The synonyms of each word (see `synonyms_of`)."""
        return Replacements.of([[self.index[s] for s in self.synonyms_of(i)] for i in range(len(self))])

    @cached_property
    def typos(self) -> Replacements:
        """The misspelt forms of each word; most of them are outside of the vocabulary."""
        forms = [typos(name) for name in self.names]
        ids = [[self.index[form] for form in of_word if form in self.index][:MAX_TYPOS] for of_word in forms]
        return Replacements.of(ids, [len(of_word) for of_word in forms])


def typos(word: str) -> list[str]:
    """The forms of a word with two letters swapped, one omitted, or one doubled; the first letter stays.

    >>> typos("tip")
    ['tpi', 'tp', 'ti', 'tiip', 'tipp']
    """
    if len(word) < MIN_LETTERS or not word.isalpha():
        return []
    inside = range(1, len(word))
    swapped = [word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in inside if i + 1 < len(word)]
    shorter = [word[:i] + word[i + 1 :] for i in inside]
    longer = [word[:i] + word[i] + word[i:] for i in inside]
    return [form for form in dict.fromkeys([*swapped, *shorter, *longer]) if form != word]


def synonyms(word: str) -> list[str]:
    """The synonyms of a word, the most frequent first, of one part of speech and in lower case (WordNet 3.0, English).

    >>> synonyms("happy")
    ['glad', 'well-chosen', 'felicitous']
    """
    return _table().get(word, [])


@cache
def _table() -> dict[str, list[str]]:
    compressed = resources.files("goodfit.data.text").joinpath("wordnet", "synonyms.json.gz").read_bytes()
    table: dict[str, list[str]] = json.loads(gzip.decompress(compressed))
    return table
