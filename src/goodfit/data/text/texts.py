"""Texts to inputs: the numbers of their words, with a vocabulary learned on the training rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from goodfit.data.inputs import Inputs
from goodfit.data.text.columns import DEFAULT_COLUMN, cleaned
from goodfit.data.text.tokens import tokenize
from goodfit.data.text.vocabulary import PADDING, UNKNOWN, Vocabulary, synonyms
from goodfit.errors import InputError, near

LEAST, MOST = 2, 20_000
"""How often a word must occur in the training rows to get a number, and how many words get one, the most frequent."""
COVERED = 0.99
"""The share of the training texts that are not cut."""


@dataclass(frozen=True)
class TextFeatures:
    """How texts become the numbers of their words: 0 behind their end, 1 for unknown words.

    Words have the case of letters folded (see `goodfit.data.text.tokens`). The vocabulary is that of the training rows,
    the most frequent words first, then their synonyms, so that a synonym that no training text holds has a number.
    A word that occurs once is unknown: so the network learns what to make of unknown words. Texts are as long as
    the longest training text, or so long that 99 % of those are whole; longer ones lose their end. An empty text is one
    unknown word.

    Shape: texts (rows,) → (rows, length) int64.
    """

    column: str
    length: int
    vocabulary: tuple[str, ...]
    counts: tuple[int, ...]  # how often each word occurs in the training rows, 0 for synonyms that do not
    texts: tuple[int, ...]  # how many of them hold it
    total: int  # how many there are
    note: str = ""
    stored_as: ClassVar[str] = "text"

    @classmethod
    def fit(cls, x: pd.DataFrame) -> TextFeatures:
        """Learn vocabulary and length from the training rows, a table of one column.

        Raises:
            InputError: no word occurs twice.
        """
        found = [tokenize(text) for text in cleaned(x.iloc[:, 0])]
        counts, holding = Counter(w for text in found for w in text), Counter(w for text in found for w in set(text))
        seen = [word for word in sorted(counts, key=lambda w: (-counts[w], w)) if counts[word] >= LEAST][:MOST]
        if not seen:
            raise InputError("split: no word occurs twice in the training texts; give more or longer texts.")
        vocabulary = list(dict.fromkeys([*seen, *(s for word in seen for s in synonyms(word))]))
        lengths = np.array([max(1, len(text)) for text in found])
        length = int(np.quantile(lengths, COVERED, method="higher"))
        cut = int((lengths > length).sum())
        note = f"{cut} of {len(found)} training texts are cut after {length} words" if cut else ""
        return cls(
            str(x.columns[0]), length, tuple(vocabulary), tuple(counts[w] for w in vocabulary),
            tuple(holding[w] for w in vocabulary), len(found), note,
        )  # fmt: skip

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Empty: the places in a text have no names."""
        return ()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one transformed row."""
        return (self.length,)

    @cached_property
    def words(self) -> Vocabulary:
        """What is known of each word."""
        return Vocabulary.of(self.vocabulary, self.counts, self.texts, self.total)

    @property
    def inputs(self) -> Inputs:
        """What augmentation must know of transformed rows."""
        return Inputs("text", words=self.words)

    def transform(self, data: object) -> npt.NDArray[np.int64]:
        """Texts as numbers of words.

        Raises:
            InputError: not texts, or a table without the column.
        """
        found = self._texts(data)
        out = np.full((len(found), self.length), PADDING, np.int64)
        for row, text in enumerate(cleaned(found)):
            ids = self.words.encode(tokenize(text)[: self.length]) or [UNKNOWN]
            out[row, : len(ids)] = ids
        return out

    def _texts(self, data: object) -> pd.Series[Any]:
        if isinstance(data, pd.DataFrame):
            frame = data.set_axis(data.columns.map(str), axis=1)
            if self.column not in frame.columns:
                hint = near(self.column, frame.columns)
                raise InputError(f"transform: column '{self.column}' is missing in the given table.{hint}")
            return frame[self.column]
        found = as_texts(data)
        if not isinstance(found, pd.DataFrame):
            raise InputError(
                f"transform: texts are needed, as a list or as a table's column '{self.column}', "
                f"got {type(data).__name__}."
            )
        return found.iloc[:, 0]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        lists = {"vocabulary": self.vocabulary, "counts": self.counts, "texts": self.texts}
        return {
            "kind": self.stored_as, "column": self.column, "length": self.length,
            **{k: list(v) for k, v in lists.items()}, "total": self.total, "note": self.note,
        }  # fmt: skip

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TextFeatures:
        """The inverse of `to_dict`."""
        vocabulary = tuple(str(word) for word in values["vocabulary"])
        counts, texts = (tuple(int(n) for n in values[key]) for key in ("counts", "texts"))
        if not len(vocabulary) == len(counts) == len(texts):
            raise ValueError("words without counts")
        return cls(
            str(values["column"]), int(values["length"]), vocabulary, counts, texts, int(values["total"]),
            str(values["note"]),
        )  # fmt: skip


def as_texts(values: object) -> Any:
    """Texts in a row (a list, an array, a Series) as a table of one column; anything else as it is.

    >>> as_texts(["one text", "another"]).columns.tolist(), as_texts([1.0, 2.0])
    (['text'], [1.0, 2.0])
    """
    if isinstance(values, pd.Series):
        few: Sequence[Any] = values.dropna().iloc[:100].tolist()
        name = DEFAULT_COLUMN if values.name is None else str(values.name)
    elif isinstance(values, np.ndarray):
        few, name = (values[:100].tolist() if values.ndim == 1 else []), DEFAULT_COLUMN
    elif isinstance(values, list | tuple):
        few, name = values[:100], DEFAULT_COLUMN
    else:
        return values
    if not few or not all(isinstance(value, str) or value is None for value in few):
        return values
    index = values.index if isinstance(values, pd.Series) else None
    return pd.DataFrame({name: pd.Series(list(values), index=index, dtype=object)})
