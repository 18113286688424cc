"""A protocol applied to data: which rows train, stop, score and test each fit, and with which seed."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from goodfit.data import Dataset, Split
from goodfit.data.dataset import time_rank
from goodfit.data.rows import Division, Rows
from goodfit.data.split import SIZES
from goodfit.errors import InputError
from goodfit.study.protocol import Protocol

FOLDS, REPEATS = 5, 2
"""Folds and repeats below `LARGE` rows."""
SMALL, SMALL_REPEATS = 300, 4
"""Below so many rows, folds are repeated more often."""
LARGE, LARGE_REPEATS = 10_000, 3
"""Above so many rows, one validation part is precise enough; several seeds show how much depends on chance."""
HELD_OUT, MOST = 5_000, 0.25
"""Rows of that validation part, at least, and its largest share of the rows."""
SCREENING = 100
"""The repeat of the folds for screening."""
SCREENING_SEED = 1_000_000_000
"""Seeds from here on are those of folds for screening."""
TIME_BLOCKS = 60
"""Blocks of consecutive rows that count as units where rows are ordered in time."""


@dataclass(frozen=True, eq=False)
class Fold:
    """The rows on which fits are trained, stopped, scored and tested, and the seed of these fits."""

    repeat: int
    number: int
    seed: int
    source: Dataset | Split
    division: Division | None

    @property
    def key(self) -> tuple[int, int]:
        """Repeat and number, each from 0."""
        return self.repeat, self.number

    def split(self) -> Split:
        """The data; built by each call, because the folds of a large data set do not fit in memory together."""
        if isinstance(self.source, Split):
            return self.source
        assert self.division is not None
        return self.source.build(self.division, self.seed)

    def rows(self, part: str) -> Rows:
        """The positions of a part's rows in the data; of a user's split, the validation rows follow the stop rows."""
        if isinstance(self.source, Split):
            first = len(self.source.stop) if part == "validation" else 0
            return np.arange(first, first + len(self.source.parts[part]))
        if part == "test" and self.source.test is not None:
            return np.arange(len(self.source.test[1]))
        rows: Rows = getattr(self.division, part)
        return rows

    def targets(self, part: str) -> torch.Tensor:
        """The targets of a part, without its inputs."""
        if isinstance(self.source, Split):
            return self.source.parts[part].y
        return torch.from_numpy(np.ascontiguousarray(self.source.y[getattr(self.division, part)]))


@dataclass(frozen=True, eq=False)
class Design:
    """A protocol applied to data: its folds in the order in which they are used.

    Attributes:
        protocol: the protocol with the chosen numbers in place of None.
        folds: the folds, repeat by repeat.
        text: the protocol in words.
        units: for each row the unit that is independent of the others: the row, its group, or a block of time.
        screening: the folds on which a search chooses recipes; they are scored on other folds than these.
    """

    protocol: Protocol
    folds: tuple[Fold, ...]
    text: str
    units: Rows
    screening: tuple[Fold, ...] = ()

    @cached_property
    def first_split(self) -> Split:
        """The data of the first fold."""
        return self.folds[0].split()

    def fold(self, key: tuple[int, int]) -> Fold:
        """The fold with this repeat and number."""
        return self._by_key[key]

    @cached_property
    def _by_key(self) -> dict[tuple[int, int], Fold]:
        return {fold.key: fold for fold in (*self.folds, *self.screening)}

    def __iter__(self) -> Iterator[Fold]:
        return iter(self.folds)

    def __len__(self) -> int:
        return len(self.folds)

    def notes(self) -> list[str]:
        """What could not be done as requested, with the number of folds that it concerns."""
        counts = Counter(note for fold in self for note in _notes(fold))
        where = {note: f" (in {n} of {len(self)} folds)" if n < len(self) else "" for note, n in counts.items()}
        return [note + where[note] for note in counts]


def _notes(fold: Fold) -> list[str]:
    note = fold.source.note if isinstance(fold.source, Split) else fold.division.note if fold.division else ""
    return note.split("; ") if note else []


def design(protocol: Protocol, data: Dataset | Split, search: bool = False) -> Design:
    """The folds of a data set. A split that the user made is kept: all fits use its parts, with several seeds.

    With `search`, there are folds for screening, too: other divisions of the same rows; of a large data set, a
    validation part of its own; of data with times and of a split, the same rows with another seed.

    Raises:
        InputError: too few rows or groups; `folds` other than 1 for a split.
    """
    if isinstance(data, Split):
        return _fixed_parts(protocol, data, search)
    return _divided(protocol, data, search)


def _fixed_parts(protocol: Protocol, split: Split, search: bool) -> Design:
    if protocol.folds not in (None, 1):
        raise InputError(f"study: folds must be 1 for a split with parts of its own, got folds={protocol.folds}.")
    chosen = protocol.with_values(folds=1, repeats=protocol.repeats or LARGE_REPEATS)
    folds = tuple(Fold(r, 0, _seed(protocol, r, 0), split, None) for r in range(chosen.repeats or 1))
    return Design(chosen, folds, f"the parts of the split × {_count(chosen.repeats, 'seed')}",
                  np.arange(len(split.stop) + len(split.validation)),
                  (Fold(SCREENING, 0, _seed(chosen, SCREENING, 0), split, None),) * search)  # fmt: skip


def _divided(protocol: Protocol, data: Dataset, search: bool) -> Design:
    first = data.division()
    rows = len(data) - len(first.test)
    large = protocol.folds == 1 or (protocol.folds is None and rows > LARGE)
    if large:
        return _one_part(protocol, data, rows, search)
    by_time = first.how == "time"
    chosen = protocol.with_values(
        folds=protocol.folds or _folds(data, first, rows),
        repeats=protocol.repeats or (SMALL_REPEATS if rows < SMALL else REPEATS),
    )

    def folds_of(repeat: int) -> list[Fold]:
        seed = _seed(chosen, 0 if by_time else repeat, 0)
        divisions = data.fold_divisions(chosen.folds or FOLDS, seed)
        return [Fold(repeat, i, _seed(chosen, repeat, i), data, d) for i, d in enumerate(divisions)]

    folds = [fold for repeat in range(chosen.repeats or 1) for fold in folds_of(repeat)]
    screening = folds_of(SCREENING) if search else []
    kind = "blocks in time order" if by_time else "folds"
    text = f"{chosen.folds} {kind} × {_count(chosen.repeats, 'seed' if by_time else 'repeat')}"
    text += ", grouped" * (first.how == "grouped")
    return Design(chosen, tuple(folds), text, _units(data, first), tuple(screening))


def _one_part(protocol: Protocol, data: Dataset, rows: int, search: bool) -> Design:
    """One validation part; the fits of a recipe differ in their seeds. A search has a validation part of its own."""
    chosen = protocol.with_values(folds=1, repeats=protocol.repeats or LARGE_REPEATS)
    sizes = SIZES
    if rows > LARGE:
        held_out = HELD_OUT * (1 + search)
        share, test = max(SIZES[2], min(held_out, MOST * rows) / len(data)), 0.0 if data.test else SIZES[3]
        sizes = (1 - SIZES[1] - share - test, SIZES[1], share, test)
    division = data.division(_seed(chosen, 0, 0), sizes=sizes)
    units, screening = _units(data, division), tuple[Fold, ...]()
    if search:
        chooses, division = _halves(data, division, units)
        screening = (Fold(SCREENING, 0, _seed(chosen, SCREENING, 0), data, chooses),)
    folds = tuple(Fold(r, 0, _seed(chosen, r, 0), data, division) for r in range(chosen.repeats or 1))
    text = f"one validation part of {len(division.validation):,} rows × {_count(chosen.repeats, 'seed')}"
    return Design(chosen, folds, text, units, screening)


def _halves(data: Dataset, division: Division, units: Rows) -> tuple[Division, Division]:
    """The division twice, each with one half of the validation rows; a group is in one half only.

    Raises:
        InputError: all validation rows belong to one group.
    """
    rows = division.validation
    if division.how == "time":
        order = rows[np.argsort(units[rows], kind="stable")]
        halves = order[: len(rows) // 2], order[len(rows) // 2 :]
    elif division.how == "grouped":
        if len(np.unique(units[rows])) < 2:
            raise InputError(
                "study: a search needs a validation part with at least two groups, got 1; use more folds (--folds 2)."
            )
        first, second = next(GroupShuffleSplit(1, test_size=0.5, random_state=0).split(rows, groups=units[rows]))
        halves = rows[first], rows[second]
    else:
        y = data.y[rows] if data.task == "classification" else None
        enough = y is not None and np.unique(y, return_counts=True)[1].min() > 1
        halves = tuple(train_test_split(rows, test_size=0.5, random_state=0, stratify=y if enough else None))
    first_half, second_half = (dataclasses.replace(division, validation=np.sort(half)) for half in halves)
    return first_half, second_half


def _folds(data: Dataset, first: Division, rows: int) -> int:
    """The number of folds by default: fewer where there are few groups or rows.

    Raises:
        InputError: too few groups or rows for two folds.
    """
    most = rows // 4 - 1 if first.how == "time" else rows // 2
    if first.how == "grouped" and data.groups is not None:
        outside = np.setdiff1d(np.arange(len(data)), first.test, assume_unique=True)
        most = min(most, len(np.unique(data.group_codes()[outside])))
    return max(2, min(FOLDS, most))


def _units(data: Dataset, division: Division) -> Rows:
    """See `Design.units`."""
    if division.how == "grouped" and data.groups is not None:
        return data.group_codes()
    if division.how == "time" and data.time is not None:
        order = np.argsort(time_rank(data.time), kind="stable")
        blocks = np.empty(len(data), np.int64)
        blocks[order] = np.arange(len(data)) * TIME_BLOCKS // len(data)
        return blocks
    return np.arange(len(data))


def _seed(protocol: Protocol, repeat: int, fold: int) -> int:
    """A seed for each fold, the same whatever the number of folds and repeats; that of no other study seed."""
    if repeat == SCREENING:
        return SCREENING_SEED + 100 * protocol.seed + fold
    return 10_000 * protocol.seed + 100 * repeat + fold


def _count(number: int | None, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"
