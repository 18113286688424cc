"""Division of rows into parts: stratified, shuffled, by group, or by time."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from goodfit.errors import InputError

Rows: TypeAlias = npt.NDArray[np.int64]
SplitMethod: TypeAlias = Literal["stratified", "shuffle", "grouped", "time"]

GROUP_TRIES = 32
"""Random orders of the groups, of which the best balanced one is used."""
MIN_TRAIN_ROWS = 2
EQUAL_TIMES = "rows with equal times are in two parts, because there are too few different times"


@dataclass(frozen=True, eq=False)
class RowInfo:
    """What is needed to divide rows: the number of rows and the method, class codes, group codes and the order in time.

    Shape: each (rows,) or None. `rank` numbers the distinct times from 0: equal times have equal ranks.
    """

    n: int
    how: SplitMethod
    classes: Rows | None
    groups: Rows | None
    rank: Rows | None

    @property
    def strata(self) -> Rows:
        """The class codes; a single class in regression."""
        return self.classes if self.classes is not None else np.zeros(self.n, np.int64)


@dataclass(frozen=True, eq=False)
class Division:
    """The rows of each part; `test` is empty if there is an official test part.

    `note` says what was not possible, `how` names the method.
    """

    train: Rows
    stop: Rows
    validation: Rows
    test: Rows
    note: str = ""
    how: SplitMethod = "shuffle"


def divide(info: RowInfo, counts: tuple[int, int, int], *, seed: int, test_seed: int) -> Division:
    """Divide all rows; `counts` are the numbers of stop, validation and test rows, the rest is train.

    The test rows depend on `test_seed` alone, the others on `seed` too.

    Raises:
        InputError: too few rows, or too few groups.
    """
    stop_count, validation_count, test_count = counts
    if info.how == "time":
        return _by_time(info, counts)
    rest, test, notes = np.arange(info.n), np.empty(0, np.int64), []
    if test_count:
        rest, test, note = draw_part(info, rest, test_count, _state(test_seed, 0), parts_left=3)
        notes.append(note)
    rest, validation, note = draw_part(info, rest, validation_count, _state(seed, 1), parts_left=2)
    notes.append(note)
    train, stop, note = draw_part(info, rest, stop_count, _state(seed, 2), parts_left=1)
    notes.append(note)
    return Division(train, stop, validation, test, _join_notes(notes), info.how)


def divide_folds(info: RowInfo, k: int, counts: tuple[int, int, int], *, seed: int, test_seed: int) -> list[Division]:
    """k divisions with a common test part; every other row is in exactly one validation part.

    In time order, fold i uses the i-th period for validation and earlier rows for training; equal times stay in one
    part if possible.

    Raises:
        InputError: too few rows or groups for k folds.
    """
    stop_count, _, test_count = counts
    if info.how == "time":
        return _time_folds(info, k, counts)
    dev, test, first = np.arange(info.n), np.empty(0, np.int64), ""
    if test_count:
        dev, test, first = draw_part(info, dev, test_count, _state(test_seed, 0), parts_left=3)
    validations, second = _fold_rows(info, dev, k, _state(seed, 3))
    divisions = []
    for i, validation in enumerate(validations):
        rest = np.setdiff1d(dev, validation, assume_unique=True)
        train, stop, third = draw_part(info, rest, stop_count, _state(seed, 4 + i), parts_left=1)
        note = _join_notes([first, second, third])
        divisions.append(Division(train, stop, validation, test, note, info.how))
    return divisions


def draw_part(info: RowInfo, rows: Rows, count: int, state: int, *, parts_left: int) -> tuple[Rows, Rows, str]:
    """Draw `count` of the rows at random; the rest must fill `parts_left` further parts.

    Returns:
        The rest and the drawn rows, both ascending, and a note ("" if nothing went wrong).

    Raises:
        InputError: too few rows would be left.
    """
    if len(rows) - count < parts_left + MIN_TRAIN_ROWS - 1:
        raise InputError(f"split: {info.n} rows are too few for parts of these sizes; give more rows.")
    if info.how == "grouped":
        return _draw_groups(info, rows, count, state, parts_left)
    if info.how == "stratified":
        return _draw_stratified(info, rows, count, state)
    rest, part = _draw_any(rows, count, state)
    return rest, part, ""


def _draw_any(rows: Rows, count: int, state: int) -> tuple[Rows, Rows]:
    from sklearn.model_selection import train_test_split

    rest, part = train_test_split(rows, test_size=count, random_state=state)
    return np.sort(rest), np.sort(part)


def _draw_stratified(info: RowInfo, rows: Rows, count: int, state: int) -> tuple[Rows, Rows, str]:
    """Draw stratified; a class with a single row stays in the rest, so that training sees it."""
    from sklearn.model_selection import train_test_split

    labels = info.strata[rows]
    _, inverse, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    single = sizes[inverse] < 2
    pool, classes = rows[~single], int((sizes >= 2).sum())
    if classes and min(count, len(pool) - count) >= classes:
        rest, part = train_test_split(pool, test_size=count, random_state=state, stratify=labels[~single])
        return np.sort(np.concatenate([rest, rows[single]])), np.sort(part), ""
    note = f"not stratified: {len(sizes)} classes do not fit into a part of {count} rows"
    # Reserve one row of each class for the rest, then draw from the others.
    kept = rows[np.unique(labels, return_index=True)[1]]
    free = np.setdiff1d(rows, kept, assume_unique=True)
    if len(free) <= count:
        rest, part = _draw_any(rows, count, state)
        return rest, part, note
    rest, part = _draw_any(free, count, state)
    return np.sort(np.concatenate([rest, kept])), part, note


def _draw_groups(info: RowInfo, rows: Rows, count: int, state: int, left: int) -> tuple[Rows, Rows, str]:
    """Draw whole groups with about `count` rows and balanced classes: the best of `GROUP_TRIES` random orders."""
    assert info.groups is not None
    names, group = np.unique(info.groups[rows], return_inverse=True)
    if len(names) < left + 1:
        raise InputError(f"split: {len(names)} groups cannot fill {left + 1} parts; give more groups.")
    strata = info.strata[rows]
    width = int(strata.max()) + 1
    table = np.bincount(group * width + strata, minlength=len(names) * width).reshape(len(names), width)
    rng = np.random.default_rng(state)
    tries = [_first_groups(rng.permutation(len(names)), table, count, left) for _ in range(GROUP_TRIES)]
    best = min(tries, key=lambda groups: _imbalance(groups, table, count))
    inside = np.isin(group, best)
    part = rows[inside]
    note = (
        "" if abs(len(part) - count) <= max(1, count // 4) else f"the groups gave {len(part)} rows instead of {count}"
    )
    return rows[~inside], part, note


def _first_groups(order: Rows, table: Rows, count: int, left: int) -> Rows:
    """The first groups of a random order, such that their number of rows is closest to `count`."""
    filled = table.sum(axis=1)[order].cumsum()
    number = int(np.abs(filled - count).argmin()) + 1
    return order[: min(number, len(order) - left)]


def _imbalance(groups: Rows, table: Rows, count: int) -> float:
    """The deviation from `count` and from the classes' shares, plus the number of classes that the rest would lose."""
    part, whole = table[groups].sum(axis=0), table.sum(axis=0)
    lost = ((whole > 0) & (part == whole)).sum()
    shares = np.abs(part / part.sum() - whole / whole.sum()).sum()
    return float(abs(part.sum() - count) / count + shares + lost)


def _fold_rows(info: RowInfo, dev: Rows, k: int, state: int) -> tuple[list[Rows], str]:
    """The validation rows of each fold."""
    from sklearn.model_selection import KFold, StratifiedKFold

    y, groups, note = info.strata[dev], None, ""
    if info.how == "grouped":
        assert info.groups is not None
        groups = info.groups[dev]
        if len(np.unique(groups)) < max(k, 3):
            raise InputError(f"folds: {len(np.unique(groups))} groups cannot fill {k} folds; use fewer folds.")
        splitter, note = _group_splitter(y, k, state)
    elif info.how == "stratified" and np.bincount(y).max() >= k:
        splitter = StratifiedKFold(k, shuffle=True, random_state=state)
        counts = np.bincount(y)
        if counts[counts > 0].min() < k:
            note = f"a class has fewer than {k} rows: some folds validate without it"
    else:
        splitter = KFold(k, shuffle=True, random_state=state)
    if len(dev) < 2 * k:
        raise InputError(f"folds: {len(dev)} rows are too few for {k} folds; use fewer folds or give more rows.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # rare classes: the note mentions them
        return [dev[validation] for _, validation in splitter.split(dev, y, groups)], note


def _group_splitter(y: Rows, k: int, state: int) -> tuple[Any, str]:
    """Folds of whole groups, stratified if a class has enough rows, and a note if not."""
    from sklearn.model_selection import GroupKFold, StratifiedGroupKFold

    if np.bincount(y).max() >= k:
        return StratifiedGroupKFold(k, shuffle=True, random_state=state), ""
    return GroupKFold(k), f"not stratified: every class has fewer than {k} rows"


def _by_time(info: RowInfo, counts: tuple[int, int, int]) -> Division:
    """In time order: train, stop, validation, test; equal times stay in one part if possible."""
    assert info.rank is not None
    order = np.argsort(info.rank, kind="stable")
    ends = info.n - np.cumsum(counts[::-1])[::-1]  # (first stop, first validation, first test)
    return _time_division(info.rank, *np.split(order, _cuts(info.rank[order], ends)))


def _time_division(rank: Rows, train: Rows, stop: Rows, validation: Rows, test: Rows) -> Division:
    """The division into these parts, each in time order, with a note if equal times are in two of them."""
    parts = [part for part in (train, stop, validation, test) if len(part)]
    apart = all(rank[before[-1]] < rank[after[0]] for before, after in pairwise(parts))
    return Division(train, stop, validation, test, "" if apart else EQUAL_TIMES, "time")


def _cuts(rank: Rows, ends: Rows, least: int = 1) -> Rows:
    """Move cuts to the nearest change of time, unless the first part would have too few rows or another one none."""
    changes = np.flatnonzero(np.diff(rank)) + 1
    if not len(changes):
        return ends
    moved = np.asarray([changes[np.abs(changes - cut).argmin()] for cut in ends])
    moved[ends == len(rank)] = len(rank)  # an official test part: the last cut is the end
    return moved if moved[0] >= least and (np.diff(moved) > 0).all() else ends


def _time_folds(info: RowInfo, k: int, counts: tuple[int, int, int]) -> list[Division]:
    """Folds in time order, with the test part of `_by_time`; training and stop rows precede the validation rows."""
    assert info.rank is not None
    test = _by_time(info, counts).test
    dev = np.argsort(info.rank, kind="stable")[: info.n - len(test)]
    if len(dev) < 4 * (k + 1):
        raise InputError(f"folds: {len(dev)} rows are too few for {k} folds in time order; use fewer folds.")
    borders = _fold_borders(info.rank[dev], k)
    divisions = []
    for first, end in pairwise(borders):
        stop = min(max(1, round(counts[0] / len(dev) * end)), first - MIN_TRAIN_ROWS)
        cut = _cuts(info.rank[dev[:first]], np.array([first - stop]), MIN_TRAIN_ROWS)
        train, stopping = np.split(dev[:first], cut)
        divisions.append(_time_division(info.rank, train, stopping, dev[first:end], test))
    return divisions


def _fold_borders(rank: Rows, k: int) -> list[int]:
    """The first validation row of each of k folds of rows in time order, and the number of rows."""
    from sklearn.model_selection import TimeSeriesSplit

    firsts = np.array([validation[0] for _, validation in TimeSeriesSplit(k).split(rank)])
    return [*_cuts(rank, firsts, MIN_TRAIN_ROWS + 1).tolist(), len(rank)]


def _state(seed: int, purpose: int) -> int:
    """A separate seed for each purpose, so that no two draws share random numbers."""
    return int(np.random.SeedSequence([seed, purpose]).generate_state(1)[0])


def _join_notes(notes: list[str]) -> str:
    return "; ".join(dict.fromkeys(note for note in notes if note))


def add_note(division: Division, note: str) -> Division:
    """The same division with one more note."""
    return replace(division, note=_join_notes([division.note, note]))
