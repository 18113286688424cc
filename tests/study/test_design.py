"""Which rows train, stop, score and test each fit."""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter

import numpy as np
import pytest
import torch

from goodfit.data import Dataset, load
from goodfit.errors import InputError
from goodfit.study import Protocol
from goodfit.study.design import LARGE, SCREENING, Design, design


def numbers(rows: int, **options: object) -> Dataset:
    """A regression with this number of rows."""
    draw = np.random.default_rng(0)
    return load((draw.normal(size=(rows, 3)), draw.normal(size=rows)), **options)  # type: ignore[arg-type]


def part_rows(plan: Design, part: str) -> list[set[int]]:
    return [set(fold.rows(part).tolist()) for fold in plan]


def assert_parts_are_apart(plan: Design) -> None:
    """No row is in two parts of a fold."""
    for fold in plan:
        parts = [*fold.rows("train"), *fold.rows("stop"), *fold.rows("validation"), *fold.rows("test")]
        assert len(parts) == len(set(parts))


def test_folds_cover_every_row_outside_the_test_part_once_per_repeat() -> None:
    plan = design(Protocol(folds=4, repeats=3), load("iris"))
    assert [fold.key for fold in plan] == [(r, f) for r in range(3) for f in range(4)]
    test = set(plan.folds[0].rows("test"))
    for repeat in range(3):
        scored = Counter(row for fold in plan if fold.repeat == repeat for row in fold.rows("validation").tolist())
        assert scored == dict.fromkeys(set(range(150)) - test, 1)
    assert_parts_are_apart(plan)
    assert plan.text == "4 folds × 3 repeats"
    assert len(plan) == 12
    for fold in plan:
        assert len(fold.rows("train")) + len(fold.rows("stop")) + len(fold.rows("validation")) == 150 - len(test)


def test_repeats_draw_other_folds() -> None:
    plan = design(Protocol(folds=4, repeats=2), load("iris"))
    validation = part_rows(plan, "validation")
    assert not any(rows in validation[:4] for rows in validation[4:])


def test_the_test_rows_are_the_same_for_all_folds_and_seeds() -> None:
    data = load("iris")
    expected = set(data.split().test.rows.tolist())
    for protocol in (Protocol(folds=3, repeats=2), Protocol(folds=2, seed=9), Protocol(folds=1, seed=3)):
        assert all(rows == expected for rows in part_rows(design(protocol, data), "test"))


def test_by_default_there_are_five_folds_and_more_repeats_of_few_rows() -> None:
    small, large = design(Protocol(), load("iris")), design(Protocol(), load("breast_cancer"))
    assert (small.protocol.folds, small.protocol.repeats, len(small)) == (5, 4, 20)
    assert (large.protocol.folds, large.protocol.repeats, len(large)) == (5, 2, 10)
    assert design(Protocol(repeats=1), load("iris")).text == "5 folds × 1 repeat"


@pytest.mark.parametrize(("rows", "validation"), [(13_000, 2_763), (40_000, 6_000), (30_000, 5_000)])
def test_many_rows_have_one_validation_part(rows: int, validation: int) -> None:
    # 13,000 rows: a quarter of the 11,050 outside the test part; 40,000: 15 % are more than 5,000
    plan = design(Protocol(), numbers(rows))
    assert (plan.protocol.folds, plan.protocol.repeats, len(plan)) == (1, 3, 3)
    assert abs(len(plan.folds[0].rows("validation")) - validation) <= 1
    for part in ("train", "stop", "validation", "test"):
        first, *others = part_rows(plan, part)
        assert all(rows_of == first for rows_of in others)
    assert len({fold.seed for fold in plan}) == 3
    assert plan.text == f"one validation part of {len(plan.folds[0].rows('validation')):,} rows × 3 seeds"
    assert_parts_are_apart(plan)


def test_many_rows_with_an_official_test_part_have_at_most_a_quarter_for_validation() -> None:
    data = numbers(12_000)
    official = dataclasses.replace(data, test=(data.x[:50], data.y[:50]))  # type: ignore[index]
    plan = design(Protocol(), official)
    assert abs(len(plan.folds[0].rows("validation")) - 3_000) <= 1
    assert plan.folds[0].rows("test").tolist() == list(range(50))


def test_few_rows_have_one_validation_part_on_request() -> None:
    plan = design(Protocol(folds=1, repeats=2), load("iris"))
    assert [len(rows) for rows in part_rows(plan, "validation")] == [22, 22]
    assert part_rows(plan, "validation")[0] == part_rows(plan, "validation")[1]


def test_many_rows_have_folds_on_request() -> None:
    plan = design(Protocol(folds=3, repeats=1), numbers(13_000))
    assert len(set.union(*part_rows(plan, "validation"))) == 11_050


def test_groups_are_in_one_part_of_each_fold() -> None:
    groups = np.repeat(np.arange(24), 5)
    plan = design(Protocol(folds=3, repeats=2), numbers(120, groups=groups))
    assert_parts_are_apart(plan)
    for fold in plan:
        parts = [set(groups[fold.rows(part)]) for part in ("train", "stop", "validation", "test")]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 24
    for repeat in range(2):
        scored = [row for fold in plan if fold.repeat == repeat for row in fold.rows("validation")]
        assert sorted([*scored, *plan.folds[0].rows("test")]) == list(range(120))
    assert plan.text == "3 folds × 2 repeats, grouped"
    units = plan.units
    assert all(len(set(units[groups == group])) == 1 for group in range(24))
    assert len(set(units)) == 24


def test_fewer_groups_than_folds() -> None:
    plan = design(Protocol(), numbers(100, groups=np.repeat(np.arange(5), 20)))
    assert plan.protocol.folds == 4  # one of the five groups is for the test
    with pytest.raises(InputError, match="groups cannot fill 5 folds"):
        design(Protocol(folds=5), numbers(100, groups=np.repeat(np.arange(5), 20)))


def test_blocks_in_time_order_follow_their_training_rows() -> None:
    time = np.random.default_rng(1).permutation(200)
    plan = design(Protocol(folds=4, repeats=2), numbers(200, time=time))
    assert plan.text == "4 blocks in time order × 2 seeds"
    for fold in plan:
        train, stop, validation, test = (time[fold.rows(p)] for p in ("train", "stop", "validation", "test"))
        assert train.max() < stop.min()
        assert stop.max() < validation.min()
        assert validation.max() < test.min()
    first, second = plan.folds[:4], plan.folds[4:]
    for a, b in zip(first, second, strict=True):  # repeats differ in their seeds alone
        assert a.rows("validation").tolist() == b.rows("validation").tolist()
        assert a.seed != b.seed
    blocks = [set(time[fold.rows("validation")]) for fold in first]
    assert all(max(a) < min(b) for a, b in itertools.pairwise(blocks))


def test_units_of_time_are_sixty_consecutive_blocks() -> None:
    time = np.random.default_rng(1).permutation(240)
    units = design(Protocol(folds=3), numbers(240, time=time)).units
    assert units[np.argsort(time)].tolist() == np.repeat(np.arange(60), 4).tolist()


def test_units_are_rows_elsewhere() -> None:
    assert design(Protocol(), load("iris")).units.tolist() == list(range(150))


def test_a_split_keeps_its_parts() -> None:
    split = load("iris").split(3)
    plan = design(Protocol(), split)
    assert (plan.protocol.folds, plan.protocol.repeats) == (1, 3)
    assert plan.text == "the parts of the split × 3 seeds"
    assert all(fold.split() is split for fold in plan)
    assert [fold.key for fold in plan] == [(0, 0), (1, 0), (2, 0)]
    assert len({fold.seed for fold in plan}) == 3
    fold = plan.folds[0]
    assert torch.equal(fold.targets("validation"), split.validation.y)
    assert fold.rows("stop").tolist() == list(range(len(split.stop)))
    first = len(split.stop)
    assert fold.rows("validation").tolist() == list(range(first, first + len(split.validation)))
    assert len(plan.units) == len(split.stop) + len(split.validation)
    assert design(Protocol(folds=1, repeats=2), split).text == "the parts of the split × 2 seeds"


def test_folds_of_a_split_are_refused() -> None:
    with pytest.raises(InputError, match="folds must be 1 for a split with parts of its own, got folds=5"):
        design(Protocol(folds=5), load("iris").split())


def test_a_fold_builds_its_split_from_its_rows() -> None:
    data = load("iris")
    for fold in design(Protocol(folds=3, repeats=1), data):
        split = fold.split()
        for name, part in split.parts.items():
            assert part.rows.tolist() == fold.rows(name).tolist()
            assert torch.equal(part.y, fold.targets(name))
        assert split.seed == fold.seed
        assert fold.split() is not split  # not kept: the folds of a large data set do not fit in memory together


def test_seeds_differ_by_fold_and_follow_from_one_number() -> None:
    data = load("iris")
    plan = design(Protocol(folds=3, repeats=2), data)
    assert len({fold.seed for fold in plan}) == 6
    repeated, other = design(Protocol(folds=3, repeats=2), data), design(Protocol(folds=3, repeats=2, seed=1), data)
    assert [fold.seed for fold in repeated] == [fold.seed for fold in plan]
    assert part_rows(repeated, "validation") == part_rows(plan, "validation")
    assert not {fold.seed for fold in other} & {fold.seed for fold in plan}
    assert part_rows(other, "validation") != part_rows(plan, "validation")
    more = design(Protocol(folds=4, repeats=3), data)
    assert {fold.key: fold.seed for fold in plan}.items() <= {fold.key: fold.seed for fold in more}.items()


def test_the_largest_numbers_of_folds_and_repeats_have_different_seeds() -> None:
    plan = design(Protocol(folds=100, repeats=3), numbers(400))
    assert len({fold.seed for fold in plan}) == 300


def test_notes_say_in_how_many_folds() -> None:
    draw, y = np.random.default_rng(0), (np.arange(200) < 5).astype(int)
    plan = design(Protocol(folds=5, repeats=1), load((draw.normal(size=(200, 3)), y)))
    lacking = [fold for fold in plan if not (fold.targets("stop") == 1).any()]
    assert lacking
    notes = plan.notes()
    assert any("there is no stop row of class '1'" in note for note in notes)
    for note in notes:
        with_note = [fold for fold in plan if fold.division and note.split(" (in ")[0] in fold.division.note]
        assert (f"(in {len(with_note)} of 5 folds)" in note) is (len(with_note) < 5)
    assert design(Protocol(folds=2), load("iris")).notes() == []


def test_the_note_of_a_split_is_named_once() -> None:
    split = dataclasses.replace(load("iris").split(), note="not stratified: because")
    assert design(Protocol(), split).notes() == ["not stratified: because"]


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(InputError, match="too few for 10 folds"):
        design(Protocol(folds=10), numbers(20))


# ---- folds for screening ----------------------------------------------------------------------------


def test_without_a_search_there_are_no_folds_for_screening() -> None:
    assert design(Protocol(folds=3), load("iris")).screening == ()
    assert design(Protocol(), load("iris").split()).screening == ()


def test_folds_for_screening_are_another_division_of_the_same_rows() -> None:
    data = load("iris")
    plan, usual = design(Protocol(folds=4, repeats=2), data, search=True), design(Protocol(folds=4, repeats=2), data)
    assert [fold.key for fold in plan.screening] == [(SCREENING, number) for number in range(4)]
    assert part_rows(plan, "validation") == part_rows(usual, "validation")  # the others stay
    test = set(plan.folds[0].rows("test").tolist())
    scored = Counter(row for fold in plan.screening for row in fold.rows("validation").tolist())
    assert scored == dict.fromkeys(set(range(150)) - test, 1)
    assert all(set(fold.rows("test").tolist()) == test for fold in plan.screening)
    for fold in plan.screening:
        parts = [*fold.rows("train"), *fold.rows("stop"), *fold.rows("validation"), *fold.rows("test")]
        assert len(parts) == len(set(parts)) == 150
        assert not any(set(fold.rows("validation")) == rows for rows in part_rows(plan, "validation"))
    seeds = [fold.seed for fold in (*plan.folds, *plan.screening)]
    assert len(set(seeds)) == len(seeds)
    assert plan.text == usual.text


def test_folds_are_known_by_their_keys() -> None:
    plan = design(Protocol(folds=3, repeats=2), load("iris"), search=True)
    for fold in (*plan.folds, *plan.screening):
        assert plan.fold(fold.key) is fold
    assert len(plan) == 6
    assert list(plan) == list(plan.folds)


@pytest.mark.parametrize("repeats", [1, 100])
def test_seeds_for_screening_are_those_of_no_repeat(repeats: int) -> None:
    plan = design(Protocol(folds=2, repeats=repeats), load("iris"), search=True)
    assert not {fold.seed for fold in plan.screening} & {fold.seed for fold in plan.folds}


def test_screening_of_two_studies_differs_from_the_folds_of_the_other() -> None:
    """Studies with neighbouring seeds are independent repetitions."""
    data = load("iris")
    first, second = (design(Protocol(folds=2, repeats=2, seed=seed), data, search=True) for seed in (0, 1))
    assert not {fold.seed for fold in first.screening} & {fold.seed for fold in second.folds}


def test_groups_are_in_one_part_of_each_fold_for_screening() -> None:
    groups = np.repeat(np.arange(24), 5)
    for fold in design(Protocol(folds=3, repeats=1), numbers(120, groups=groups), search=True).screening:
        parts = [set(groups[fold.rows(part)]) for part in ("train", "stop", "validation", "test")]
        assert sum(map(len, parts)) == len(set.union(*parts)) == 24


def test_data_with_times_is_screened_on_the_same_blocks_with_other_seeds() -> None:
    time = np.random.default_rng(1).permutation(200)
    plan = design(Protocol(folds=4, repeats=2), numbers(200, time=time), search=True)
    assert [fold.rows("validation").tolist() for fold in plan.screening] == [
        fold.rows("validation").tolist() for fold in plan.folds[:4]
    ]
    assert not {fold.seed for fold in plan.screening} & {fold.seed for fold in plan.folds}


def test_a_split_is_screened_on_its_own_parts_with_another_seed() -> None:
    split = load("iris").split(3)
    plan = design(Protocol(repeats=2), split, search=True)
    (fold,) = plan.screening
    assert fold.split() is split
    assert fold.key == (SCREENING, 0)
    assert fold.seed not in {each.seed for each in plan.folds}


# ---- halves of one validation part ------------------------------------------------------------------


def halves_of(plan: Design) -> tuple[set[int], set[int]]:
    """The validation rows for screening, and those for the comparison."""
    (fold,) = plan.screening
    rows = part_rows(plan, "validation")
    assert all(each == rows[0] for each in rows)
    assert [set(fold.rows(p)) for p in ("train", "stop", "test")] == [
        part_rows(plan, p)[0] for p in ("train", "stop", "test")
    ]
    return set(fold.rows("validation").tolist()), rows[0]


@pytest.mark.parametrize(("rows", "part"), [(LARGE + 3_000, 1_381), (50_000, 5_000), (100_000, 7_500)])
def test_many_rows_are_screened_on_a_validation_part_of_their_own(rows: int, part: int) -> None:
    # 13,000 rows: a quarter of 11,050, divided by two; 50,000: twice 5,000; 100,000: 15 %, divided by two
    plan = design(Protocol(), numbers(rows), search=True)
    chooses, compares = halves_of(plan)
    assert not chooses & compares
    assert abs(len(chooses) - part) <= 1
    assert abs(len(compares) - part) <= 1
    assert plan.text == f"one validation part of {len(compares):,} rows × 3 seeds"
    assert_parts_are_apart(plan)
    assert not chooses & {*plan.folds[0].rows("train"), *plan.folds[0].rows("stop"), *plan.folds[0].rows("test")}
    assert (plan.protocol.folds, plan.protocol.repeats) == (1, 3)


def test_few_rows_with_one_validation_part_have_halves() -> None:
    plan = design(Protocol(folds=1, repeats=2), load("iris"), search=True)
    chooses, compares = halves_of(plan)
    assert (len(chooses), len(compares)) == (11, 11)
    assert chooses | compares == part_rows(design(Protocol(folds=1, repeats=2), load("iris")), "validation")[0]


def test_halves_have_the_classes_in_the_same_shares() -> None:
    y = (np.arange(1200) % 10 == 0).astype(int)
    data = load((np.random.default_rng(0).normal(size=(1200, 3)), y))
    chooses, compares = halves_of(design(Protocol(folds=1), data, search=True))
    assert abs(y[list(chooses)].sum() - y[list(compares)].sum()) <= 1


def test_a_group_is_in_one_half_only() -> None:
    groups = np.repeat(np.arange(60), 4)
    chooses, compares = halves_of(design(Protocol(folds=1), numbers(240, groups=groups), search=True))
    assert chooses
    assert compares
    assert not set(groups[list(chooses)]) & set(groups[list(compares)])


def test_halves_of_one_group_are_refused_with_the_remedy() -> None:
    """Of five groups, one is for validation: it cannot be divided."""
    data = numbers(100, groups=np.repeat(np.arange(5), 20))
    design(Protocol(folds=1), data)
    with pytest.raises(InputError, match="groups"):
        design(Protocol(folds=1), data, search=True)


def test_later_rows_compare_what_earlier_rows_chose() -> None:
    time = np.random.default_rng(1).permutation(400)
    plan = design(Protocol(folds=1), numbers(400, time=time), search=True)
    chooses, compares = halves_of(plan)
    assert abs(len(chooses) - len(compares)) <= 1
    assert time[list(chooses)].max() < time[list(compares)].min()


def test_a_rare_class_does_not_prevent_halves() -> None:
    for rare in (0, 2, 3, 5):
        y = np.r_[np.zeros(60, int), np.ones(60 - rare, int), np.full(rare, 2)]
        draw = np.random.default_rng(0)
        data = load((draw.normal(size=(120, 3)), y), task="classification")
        chooses, compares = halves_of(design(Protocol(folds=1), data, search=True))
        assert abs(len(chooses) - len(compares)) <= 1


def test_halves_of_many_classes() -> None:
    y = np.repeat(np.arange(14), 10)
    data = load((np.random.default_rng(0).normal(size=(140, 3)), y), task="classification")
    chooses, compares = halves_of(design(Protocol(folds=1), data, search=True))
    assert not chooses & compares
