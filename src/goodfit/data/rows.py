"""Which rows go where: stratified, shuffled, by group, or by time."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from goodfit.errors import InputError

Rows: TypeAlias = npt.NDArray[np.int64]
SplitMethod: TypeAlias = Literal["stratified", "shuffle", "grouped", "time"]

GROUP_TRIES = 32  # random orders of the groups, of which the best balanced one is taken
LEAST_TRAIN = 2


@dataclass(frozen=True, eq=False)
class RowInfo:
    """What a division needs to know of the data: class codes, group codes and the order in time.

    Shape: each (rows,) or None. `rank` counts the distinct times: equal times have equal ranks.
    """

    n: int
    how: SplitMethod
    classes: Rows | None
    groups: Rows | None
    rank: Rows | None

    @property
    def strata(self) -> Rows:
        """Class codes; one class for all in regression."""
        return self.classes if self.classes is not None else np.zeros(self.n, np.int64)


@dataclass(frozen=True, eq=False)
class Division:
    """The rows of each part, without test rows where an official test part exists; `note`: what failed."""

    train: Rows
    stop: Rows
    validation: Rows
    test: Rows
    note: str = ""


def divide(layout: RowInfo, counts: tuple[int, int, int], *, seed: int, test_seed: int) -> Division:
    """Divide all rows: `counts` are those of stop, validation and test; train is the rest.

    The test rows depend on `test_seed` alone, the others on `seed` too.

    Raises:
        InputError: too few rows, or too few groups.
    """
    stop_count, validation_count, test_count = counts
    if layout.how == "time":
        return _by_time(layout, counts)
    rest, test, notes = np.arange(layout.n), np.empty(0, np.int64), []
    if test_count:
        rest, test, note = draw_part(layout, rest, test_count, _state(test_seed, 0), parts_left=3)
        notes.append(note)
    rest, validation, note = draw_part(layout, rest, validation_count, _state(seed, 1), parts_left=2)
    notes.append(note)
    train, stop, note = draw_part(layout, rest, stop_count, _state(seed, 2), parts_left=1)
    notes.append(note)
    return Division(train, stop, validation, test, _joined(notes))


def divide_folds(layout: RowInfo, k: int, counts: tuple[int, int, int], *, seed: int, test_seed: int) -> list[Division]:
    """k divisions with one test part: every other row is in the validation part of exactly one of them.

    In time order fold i validates on the i-th stretch of time and trains on what came before it.

    Raises:
        InputError: too few rows or groups for k folds.
    """
    stop_count, _, test_count = counts
    if layout.how == "time":
        return _time_folds(layout, k, stop_count, test_count)
    dev, test, first = np.arange(layout.n), np.empty(0, np.int64), ""
    if test_count:
        dev, test, first = draw_part(layout, dev, test_count, _state(test_seed, 0), parts_left=3)
    validations, second = _fold_rows(layout, dev, k, _state(seed, 3))
    divisions = []
    for i, validation in enumerate(validations):
        rest = np.setdiff1d(dev, validation, assume_unique=True)
        train, stop, third = draw_part(layout, rest, stop_count, _state(seed, 4 + i), parts_left=1)
        divisions.append(Division(train, stop, validation, test, _joined([first, second, third])))
    return divisions


def draw_part(layout: RowInfo, rows: Rows, count: int, state: int, *, parts_left: int) -> tuple[Rows, Rows, str]:
    """Take `count` of the rows out, at random; `parts_left` parts have to be filled from the rest.

    Returns:
        The rest and the rows taken, both ascending, and a note ("" if all went as asked).

    Raises:
        InputError: the rest would be too small.
    """
    if len(rows) - count < parts_left + LEAST_TRAIN - 1:
        raise InputError(f"split: {layout.n} rows are too few for parts of these sizes; give more rows.")
    if layout.how == "grouped":
        return _carve_groups(layout, rows, count, state, parts_left)
    if layout.how == "stratified":
        return _carve_strata(layout, rows, count, state)
    rest, part = _carve_any(rows, count, state)
    return rest, part, ""


def _carve_any(rows: Rows, count: int, state: int) -> tuple[Rows, Rows]:
    from sklearn.model_selection import train_test_split

    rest, part = train_test_split(rows, test_size=count, random_state=state)
    return np.sort(rest), np.sort(part)


def _carve_strata(layout: RowInfo, rows: Rows, count: int, state: int) -> tuple[Rows, Rows, str]:
    """Stratified; single rows of a class stay in the rest, so that training sees them."""
    from sklearn.model_selection import train_test_split

    labels = layout.strata[rows]
    _, inverse, members = np.unique(labels, return_inverse=True, return_counts=True)
    single = members[inverse] < 2
    pool, classes = rows[~single], int((members >= 2).sum())
    if classes and min(count, len(pool) - count) >= classes:
        rest, part = train_test_split(pool, test_size=count, random_state=state, stratify=labels[~single])
        return np.sort(np.concatenate([rest, rows[single]])), np.sort(part), ""
    note = f"not stratified: {len(members)} classes do not fit into a part of {count} rows"
    # One row of each class is set aside for the rest, then the draw is free.
    kept = rows[np.unique(labels, return_index=True)[1]]
    free = np.setdiff1d(rows, kept, assume_unique=True)
    if len(free) <= count:
        rest, part = _carve_any(rows, count, state)
        return rest, part, note
    rest, part = _carve_any(free, count, state)
    return np.sort(np.concatenate([rest, kept])), part, note


def _carve_groups(layout: RowInfo, rows: Rows, count: int, state: int, left: int) -> tuple[Rows, Rows, str]:
    """Whole groups, about `count` rows of them, with the classes' shares as near as random tries get."""
    assert layout.groups is not None
    names, group = np.unique(layout.groups[rows], return_inverse=True)
    if len(names) < left + 1:
        raise InputError(f"split: {len(names)} groups cannot fill {left + 1} parts; give more groups.")
    strata = layout.strata[rows]
    width = int(strata.max()) + 1
    table = np.bincount(group * width + strata, minlength=len(names) * width).reshape(len(names), width)
    rng = np.random.default_rng(state)
    tries = [_some_groups(rng.permutation(len(names)), table, count, left) for _ in range(GROUP_TRIES)]
    taken = min(tries, key=lambda groups: _imbalance(groups, table, count))
    inside = np.isin(group, taken)
    part = rows[inside]
    note = "" if abs(len(part) - count) <= max(1, count // 4) else f"groups gave {len(part)} rows instead of {count}"
    return rows[~inside], part, note


def _some_groups(order: Rows, table: Rows, count: int, left: int) -> Rows:
    """The first groups of a random order whose rows come nearest to `count`."""
    filled = table.sum(axis=1)[order].cumsum()
    number = int(np.abs(filled - count).argmin()) + 1
    return order[: min(number, len(order) - left)]


def _imbalance(groups: Rows, table: Rows, count: int) -> float:
    """How far groups are from the wanted rows and the classes' shares, plus the classes taken away."""
    part, whole = table[groups].sum(axis=0), table.sum(axis=0)
    lost = ((whole > 0) & (part == whole)).sum()
    shares = np.abs(part / part.sum() - whole / whole.sum()).sum()
    return float(abs(part.sum() - count) / count + shares + lost)


def _fold_rows(layout: RowInfo, dev: Rows, k: int, state: int) -> tuple[list[Rows], str]:
    """The validation rows of each fold."""
    from sklearn.model_selection import KFold, StratifiedGroupKFold, StratifiedKFold

    y, groups, note = layout.strata[dev], None, ""
    if layout.how == "grouped":
        assert layout.groups is not None
        groups = layout.groups[dev]
        if len(np.unique(groups)) < max(k, 3):
            raise InputError(f"folds: {len(np.unique(groups))} groups cannot fill k={k} folds; lower k.")
        splitter = StratifiedGroupKFold(k, shuffle=True, random_state=state)
    elif layout.how == "stratified" and np.bincount(y).max() >= k:
        splitter = StratifiedKFold(k, shuffle=True, random_state=state)
        counts = np.bincount(y)
        if counts[counts > 0].min() < k:
            note = f"a class has fewer than {k} rows: some folds have no validation row of it"
    else:
        splitter = KFold(k, shuffle=True, random_state=state)
    if len(dev) < 2 * k:
        raise InputError(f"folds: {len(dev)} rows are too few for k={k} folds; lower k or give more rows.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # rare classes: said in the note
        return [dev[validation] for _, validation in splitter.split(dev, y, groups)], note


def _by_time(layout: RowInfo, counts: tuple[int, int, int]) -> Division:
    """Oldest rows train, then stop, validation, and the newest test; equal times stay together if possible."""
    assert layout.rank is not None
    order = np.argsort(layout.rank, kind="stable")
    ends = layout.n - np.cumsum(counts[::-1])[::-1]  # (first stop, first validation, first test)
    cuts, note = _cuts(layout.rank[order], ends)
    train, stop, validation, test = np.split(order, cuts)
    return Division(train, stop, validation, test, note)


def _cuts(rank: Rows, wanted: Rows) -> tuple[Rows, str]:
    """Cuts moved to the nearest change of time, unless that would empty a part."""
    changes = np.flatnonzero(np.diff(rank)) + 1
    if len(changes):
        edges = np.append(changes, len(rank))  # an official test part: the last cut is the end
        moved = np.asarray([edges[np.abs(edges - cut).argmin()] for cut in wanted])
        moved[wanted == len(rank)] = len(rank)
        if (np.diff(np.concatenate([[0], moved])) > 0).all() and ((moved < len(rank)) == (wanted < len(rank))).all():
            return moved, ""
    return wanted, "rows of one time are in two parts: there are too few different times"


def _time_folds(layout: RowInfo, k: int, stop_count: int, test_count: int) -> list[Division]:
    from sklearn.model_selection import TimeSeriesSplit

    assert layout.rank is not None
    order = np.argsort(layout.rank, kind="stable")
    dev, test = order[: layout.n - test_count], order[layout.n - test_count :]
    if len(dev) < 4 * (k + 1):
        raise InputError(f"folds: {len(dev)} rows are too few for k={k} folds in time order; lower k.")
    share = stop_count / len(dev)
    divisions = []
    for past, validation in TimeSeriesSplit(k).split(dev):
        stop = max(1, round(share * (len(past) + len(validation))))
        stop = min(stop, len(past) - LEAST_TRAIN)
        divisions.append(Division(dev[past[:-stop]], dev[past[-stop:]], dev[validation], test))
    return divisions


def _state(seed: int, purpose: int) -> int:
    """An own seed for each purpose, so that no two draws share their random numbers."""
    return int(np.random.SeedSequence([seed, purpose]).generate_state(1)[0])


def _joined(notes: list[str]) -> str:
    return "; ".join(dict.fromkeys(note for note in notes if note))


def add_note(division: Division, note: str) -> Division:
    """The same rows with one more remark."""
    return replace(division, note=_joined([division.note, note]))
