"""The words of texts as numbers, and what is known of each: how frequent it is, its synonyms, its misspelt forms."""

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
"""The numbers of what fills a text up to the common length, and of all words that are not in the vocabulary."""
OWN = ("", "�")
"""How the two are written."""
SHORTEST = 3
"""Letters of a word that can be misspelt."""
NEIGHBOURS = 4
"""Misspelt forms of a word that are words themselves, at most; the others are unknown."""


@dataclass(frozen=True, eq=False)
class Choices:
    """What each word can become.

    Shape: ids (vocabulary, most), 0 where there are fewer; known (vocabulary,): how many there are; all (vocabulary,):
    how many there are with those that no number stands for.
    """

    ids: Tensor
    known: Tensor
    all: Tensor

    @classmethod
    def of(cls, found: Sequence[Sequence[int]], every: Sequence[int] | None = None) -> Choices:
        """From the numbers for each word; every: how many there are with those without a number."""
        most = max(map(len, found), default=0) or 1
        ids = torch.tensor([[*some, *[PADDING] * (most - len(some))] for some in found]).reshape(len(found), most)
        known = torch.tensor([len(some) for some in found])
        return cls(ids, known, known if every is None else torch.tensor(every))

    def pick(self, x: Tensor, drawn: Tensor) -> Tensor:
        """For words x one of their choices each, evenly by drawn numbers in [0, 1); words without choices stay.

        Shape: x, drawn (batch, words) → (batch, words).

        >>> Choices.of([[], [], [3, 4], []]).pick(torch.tensor([[2, 2, 3]]), torch.tensor([[0.4, 0.6, 0.5]]))
        tensor([[3, 4, 3]])
        """
        ids, known, every = (table.to(x.device) for table in (self.ids, self.known, self.all))
        count, most = every[x], ids.shape[1]
        number = torch.minimum((drawn * count).long(), count - 1)  # −1 where there is no choice
        inside = number.clamp(0, most - 1)
        found = torch.where(number < known[x], ids.flatten()[x * most + inside], UNKNOWN)
        return torch.where(count > 0, found, x)


@dataclass(frozen=True, eq=False)
class Words:
    """A vocabulary: word number i is `names[i]`, 0 is padding and 1 any word that is not in it.

    Shape: share (vocabulary,): which share of all words it is; idf (vocabulary,): log of all texts by those that hold
    it; both with one added to each count, because a vocabulary holds words that no text had yet.

    >>> words = Words.of(["good", "well", "wel", "goodness"], counts=[3, 1, 0, 0], texts=[2, 1, 0, 0], total=2)
    >>> words.name(words.numbers(["good", "mystery"]))
    ['good', '�']
    """

    names: tuple[str, ...]
    share: Tensor
    idf: Tensor

    @classmethod
    def of(cls, names: Sequence[str], counts: Sequence[int], texts: Sequence[int], total: int) -> Words:
        """From words, how often each occurs, in how many texts of `total`. Unknown words are taken for rare ones."""
        often = torch.tensor([0, 1, *counts], dtype=torch.float64) + 1
        holding = torch.tensor([0, 1, *texts], dtype=torch.float64) + 1
        share, idf = often / often.sum(), ((1 + total) / holding).log()
        return cls((*OWN, *names), share.float(), idf.float())

    @classmethod
    def plain(cls, names: Sequence[str]) -> Words:
        """Words of which nothing is known but their spelling.

        >>> len(Words.plain(["good", "bad"]))
        4
        """
        return cls.of(names, [1] * len(names), [1] * len(names), len(names))

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def known(self) -> Mapping[str, int]:
        """Word → its number."""
        return {name: number for number, name in enumerate(self.names) if number > UNKNOWN}

    def numbers(self, text: Sequence[str]) -> list[int]:
        """Words as their numbers."""
        return [self.known.get(word, UNKNOWN) for word in text]

    def name(self, ids: Sequence[int]) -> list[str]:
        """Numbers as the words, without padding."""
        return [self.names[number] for number in ids if number != PADDING]

    def synonyms_of(self, number: int) -> list[str]:
        """The synonyms of a word that are in the vocabulary, the most frequent first."""
        return [name for name in synonyms(self.names[number]) if name in self.known]

    @cached_property
    def synonyms(self) -> Choices:
        """The synonyms of each word (see `synonyms_of`)."""
        return Choices.of([[self.known[s] for s in self.synonyms_of(n)] for n in range(len(self))])

    @cached_property
    def typos(self) -> Choices:
        """The misspelt forms of each word: most of them are unknown words."""
        forms = [typos(name) for name in self.names]
        ids = [[self.known[form] for form in some if form in self.known][:NEIGHBOURS] for some in forms]
        return Choices.of(ids, [len(some) for some in forms])


def typos(word: str) -> list[str]:
    """A word's forms with two letters swapped, one left out, or one doubled; the first letter stays.

    >>> typos("tip")
    ['tpi', 'tp', 'ti', 'tiip', 'tipp']
    """
    if len(word) < SHORTEST or not word.isalpha():
        return []
    inside = range(1, len(word))
    swapped = [word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in inside if i + 1 < len(word)]
    shorter = [word[:i] + word[i + 1 :] for i in inside]
    longer = [word[:i] + word[i] + word[i:] for i in inside]
    return [form for form in dict.fromkeys([*swapped, *shorter, *longer]) if form != word]


def synonyms(word: str) -> list[str]:
    """A word's synonyms, the most frequent first, of one part of speech and in small letters (WordNet 3.0, English).

    >>> synonyms("happy")
    ['glad', 'well-chosen', 'felicitous']
    """
    return _table().get(word, [])


@cache
def _table() -> dict[str, list[str]]:
    packed = resources.files("goodfit.data.text").joinpath("wordnet", "synonyms.json.gz").read_bytes()
    found: dict[str, list[str]] = json.loads(gzip.decompress(packed))
    return found
