"""From texts to inputs: ids of words, with a vocabulary learned from the training rows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from goodfit.data.inputs import Inputs
from goodfit.data.kinds import TrainingRows
from goodfit.data.text.columns import DEFAULT_COLUMN, to_strings
from goodfit.data.text.tokens import tokenize
from goodfit.data.text.vocabulary import PADDING, UNKNOWN, Vocabulary, synonyms
from goodfit.errors import InputError, near

MIN_COUNT, MAX_WORDS = 2, 20_000
"""A word needs so many occurrences in the training rows to get an id; the most frequent words get one."""
COVERED = 0.99
"""The share of the training texts that fit into the length."""


@dataclass(frozen=True)
class TextFeatures:
    """The encoding of texts as ids of words, padded with 0; id 1 is any unknown word.

    Words are in folded case (see `goodfit.data.text.tokens`). The vocabulary has the words of the training rows, the
    most frequent first, then their synonyms, so that augmentation can insert synonyms that are in no training text. A
    word that occurs once is unknown, so that the network learns to handle unknown words. The length is the 99 %
    quantile of the training texts' lengths; longer texts are cut. An empty text is one unknown word.

    With a `layout`, the encoding of all texts that are not test texts, length and ids are those of the layout, so that
    every split has the same inputs. An id whose word the training rows do not teach has the name "" and never occurs.

    Shape: texts (rows,) → (rows, length) int64.
    """

    column: str
    length: int
    vocabulary: tuple[str, ...]
    counts: tuple[int, ...]  # occurrences of each word in the training rows
    texts: tuple[int, ...]  # number of training rows with the word
    total: int  # number of training rows
    note: str = ""
    stored_as: ClassVar[str] = "text"

    @classmethod
    def fit(cls, x: pd.DataFrame, layout: TextFeatures | None = None) -> TextFeatures:
        """Learn vocabulary and length from the training rows, a table of one column.

        Raises:
            InputError: no word occurs twice.
        """
        if layout is not None:
            return layout._refitted(x)
        texts = [tokenize(text) for text in to_strings(x.iloc[:, 0])]
        counts, in_texts = Counter(w for text in texts for w in text), Counter(w for text in texts for w in set(text))
        frequent = [word for word in sorted(counts, key=lambda w: (-counts[w], w)) if counts[word] >= MIN_COUNT][
            :MAX_WORDS
        ]
        if not frequent:
            raise InputError(
                f"split: no word occurs twice in the {len(texts)} training texts; use more or longer texts."
            )
        vocabulary = list(dict.fromkeys([*frequent, *(s for word in frequent for s in synonyms(word))]))
        lengths = np.array([max(1, len(text)) for text in texts])
        length = int(np.quantile(lengths, COVERED, method="higher"))
        cut = int((lengths > length).sum())
        note = f"{cut} of {len(texts)} texts are cut after {length} words" if cut else ""
        return cls(
            str(x.columns[0]), length, tuple(vocabulary), tuple(counts[w] for w in vocabulary),
            tuple(in_texts[w] for w in vocabulary), len(texts), note,
        )  # fmt: skip

    def _refitted(self, x: pd.DataFrame) -> TextFeatures:
        """The same length and ids, learned from other rows."""
        own = TextFeatures.fit(x)
        known = {word: (own.counts[i], own.texts[i]) for i, word in enumerate(own.vocabulary)}
        vocabulary = tuple(word if word in known else "" for word in self.vocabulary)
        counts, texts = zip(*(known.get(word, (0, 0)) for word in vocabulary), strict=True)
        return replace(self, vocabulary=vocabulary, counts=counts, texts=texts, total=own.total)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Empty: the positions in a text have no names."""
        return ()

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one transformed row."""
        return (self.length,)

    @cached_property
    def words(self) -> Vocabulary:
        """The vocabulary with frequencies and synonyms of the words."""
        return Vocabulary.of(self.vocabulary, self.counts, self.texts, self.total)

    @property
    def inputs(self) -> Inputs:
        """The properties of the inputs that techniques use."""
        return Inputs("text", words=self.words)

    @property
    def training_rows(self) -> TrainingRows:
        """What files must have to be transformed as the training rows were."""
        return TrainingRows(self.input_shape, column=self.column)

    def transform(self, data: object) -> npt.NDArray[np.int64]:
        """Encode texts as ids of words.

        Raises:
            InputError: not texts, or a table without the column.
        """
        texts = to_strings(self._column(data))
        out = np.full((len(texts), self.length), PADDING, np.int64)
        for row, text in enumerate(texts):
            ids = self.words.encode(tokenize(text)[: self.length]) or [UNKNOWN]
            out[row, : len(ids)] = ids
        return out

    def _column(self, data: object) -> pd.Series[Any]:
        if isinstance(data, pd.DataFrame):
            frame = data.set_axis(data.columns.map(str), axis=1)
            if self.column not in frame.columns:
                hint = near(self.column, frame.columns)
                raise InputError(f"transform: the table has no column '{self.column}'.{hint}")
            return frame[self.column]
        frame = as_texts(data)
        if not isinstance(frame, pd.DataFrame):
            raise InputError(
                f"transform: texts must be a list or the column '{self.column}' of a table, got {type(data).__name__}."
            )
        return frame.iloc[:, 0]

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
            raise ValueError(f"{len(vocabulary)} words need as many counts, got {len(counts)} and {len(texts)}")
        return cls(
            str(values["column"]), int(values["length"]), vocabulary, counts, texts, int(values["total"]),
            str(values["note"]),
        )  # fmt: skip


def as_texts(values: object) -> Any:
    """A list, array or Series of texts as a table with one column; any other value unchanged.

    >>> as_texts(["one text", "another"]).columns.tolist(), as_texts([1.0, 2.0])
    (['text'], [1.0, 2.0])
    """
    if isinstance(values, pd.Series):
        sample: Sequence[Any] = values.dropna().iloc[:100].tolist()
        name = DEFAULT_COLUMN if values.name is None else str(values.name)
    elif isinstance(values, np.ndarray):
        sample, name = (values[:100].tolist() if values.ndim == 1 else []), DEFAULT_COLUMN
    elif isinstance(values, list | tuple):
        sample, name = values[:100], DEFAULT_COLUMN
    else:
        return values
    if not sample or not all(isinstance(value, str) or value is None for value in sample):
        return values
    index = values.index if isinstance(values, pd.Series) else None
    return pd.DataFrame({name: pd.Series(list(values), index=index, dtype=object)})
