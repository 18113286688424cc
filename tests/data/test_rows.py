from itertools import pairwise

import numpy as np
import pytest

from goodfit.data.rows import RowInfo, divide, divide_folds, draw_part
from goodfit.errors import InputError

COUNTS = (10, 15, 15)


def row_info(how: str, n: int = 100, **more: np.ndarray) -> RowInfo:
    parts = {"classes": None, "groups": None, "rank": None} | more
    return RowInfo(n, how, **parts)  # type: ignore[arg-type]


@pytest.mark.parametrize("how", ["stratified", "shuffle", "grouped", "time"])
def test_every_row_is_in_one_part(how: str) -> None:
    rng = np.random.default_rng(0)
    info = row_info(how, classes=rng.integers(0, 3, 100), groups=np.arange(100) // 2, rank=rng.permutation(100))
    d = divide(info, COUNTS, seed=3, test_seed=0)
    rows = np.concatenate([d.train, d.stop, d.validation, d.test])
    assert sorted(rows.tolist()) == list(range(100))
    for f in divide_folds(info, 4, COUNTS, seed=3, test_seed=0):
        rows = np.concatenate([f.train, f.stop, f.validation, f.test])
        assert len(set(rows.tolist())) == len(rows)
        assert min(len(f.train), len(f.stop), len(f.validation), len(f.test)) > 0


def test_single_rows_of_a_class_stay_in_training() -> None:
    classes = np.array([0] * 50 + [1] * 49 + [2])
    for seed in range(5):
        d = divide(row_info("stratified", classes=classes), COUNTS, seed=seed, test_seed=seed)
        assert 99 in d.train


def test_more_classes_than_rows_in_a_part_give_a_note() -> None:
    classes = np.repeat(np.arange(40), 3)
    d = divide(row_info("stratified", 120, classes=classes), (12, 18, 18), seed=0, test_seed=0)
    assert "not stratified: 40 classes do not fit into a part of 18 rows" in d.note
    assert len(np.unique(classes[d.train])) == 40


def test_groups_stay_whole_and_sizes_are_approximate() -> None:
    rng = np.random.default_rng(1)
    groups = rng.integers(0, 60, 1000)
    classes = rng.integers(0, 2, 1000)
    d = divide(row_info("grouped", 1000, groups=groups, classes=classes), (100, 150, 150), seed=0, test_seed=0)
    parts = [set(groups[rows]) for rows in (d.train, d.stop, d.validation, d.test)]
    assert sum(len(p) for p in parts) == len(set.union(*parts))
    assert abs(len(d.test) - 150) < 40
    assert abs(classes[d.test].mean() - classes.mean()) < 0.1


def test_too_few_groups_or_rows() -> None:
    with pytest.raises(InputError, match="3 groups cannot fill 4 parts"):
        divide(row_info("grouped", groups=np.arange(100) % 3), COUNTS, seed=0, test_seed=0)
    with pytest.raises(InputError, match="use fewer folds"):
        divide_folds(row_info("grouped", groups=np.arange(100) % 6), 9, COUNTS, seed=0, test_seed=0)
    with pytest.raises(InputError, match="too few for 80 folds"):
        divide_folds(row_info("shuffle"), 80, COUNTS, seed=0, test_seed=0)
    with pytest.raises(InputError, match="too few"):
        draw_part(row_info("shuffle", 5), np.arange(5), 4, 0, parts_left=1)


def test_equal_times_stay_together() -> None:
    rank = np.repeat(np.arange(20), 5)
    d = divide(row_info("time", rank=rank), (8, 16, 17), seed=0, test_seed=0)
    parts = [set(rank[rows]) for rows in (d.train, d.stop, d.validation, d.test)]
    assert sum(len(p) for p in parts) == 20
    assert d.note == ""
    few = divide(row_info("time", rank=np.repeat([0, 1], 50)), (8, 16, 17), seed=0, test_seed=0)
    assert "rows with equal times are in two parts" in few.note


def test_folds_in_time_order_train_on_earlier_rows() -> None:
    rank = np.random.default_rng(0).permutation(200)
    folds = divide_folds(row_info("time", 200, rank=rank), 4, (20, 30, 30), seed=0, test_seed=0)
    for f in folds:
        assert rank[f.train].max() < rank[f.stop].min()
        assert rank[f.stop].max() < rank[f.validation].min()
        assert rank[f.validation].max() < rank[f.test].min()
    assert len(folds) == 4


def test_folds_in_time_order_keep_equal_times_together() -> None:
    rank, counts = np.repeat(np.arange(30), 7), (21, 31, 33)
    folds = divide_folds(row_info("time", 210, rank=rank), 4, counts, seed=0, test_seed=0)
    test = divide(row_info("time", 210, rank=rank), counts, seed=0, test_seed=0).test
    validated = np.concatenate([f.validation for f in folds])
    assert len(set(validated.tolist())) == len(validated)
    for f in folds:
        assert np.array_equal(f.test, test)
        assert f.note == ""
        parts = [rank[rows] for rows in (f.train, f.stop, f.validation, f.test)]
        assert all(before.max() < after.min() for before, after in pairwise(parts))
    few = divide_folds(row_info("time", rank=np.repeat([0, 1], 50)), 4, COUNTS, seed=0, test_seed=0)
    assert all("rows with equal times are in two parts" in f.note for f in few[:2])


def test_a_cut_near_the_end_moves_to_the_last_change_of_time() -> None:
    rank = np.repeat([0, 1, 2, 3], [70, 10, 10, 10])
    d = divide(row_info("time", rank=rank), (8, 8, 2), seed=0, test_seed=0)
    assert [len(rows) for rows in (d.train, d.stop, d.validation, d.test)] == [82, 8, 8, 2]
    assert "rows with equal times" in d.note
    d = divide(row_info("time", rank=rank), (10, 12, 4), seed=0, test_seed=0)
    assert [len(rows) for rows in (d.train, d.stop, d.validation, d.test)] == [70, 10, 10, 10]
    assert d.note == ""


def test_grouped_folds_of_rare_classes_are_not_stratified() -> None:
    groups, classes = np.arange(60) // 2, np.arange(60) // 3
    folds = divide_folds(row_info("grouped", 60, groups=groups, classes=classes), 5, (6, 9, 9), seed=0, test_seed=0)
    assert all("not stratified: every class has fewer than 5 rows" in f.note for f in folds)
    assert all(not set(groups[f.validation]) & set(groups[np.concatenate([f.train, f.stop])]) for f in folds)
