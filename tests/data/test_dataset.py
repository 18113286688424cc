import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from goodfit.data import Dataset, load
from goodfit.data.dataset import time_rank
from goodfit.errors import InputError


def rows(split: object, part: str) -> list[int]:
    return getattr(split, part).rows.tolist()


def test_test_rows_depend_on_the_test_seed_only() -> None:
    data = load("wine")
    a, b, c = data.split(0), data.split(1), data.split(0, test_seed=5)
    assert rows(a, "test") == rows(b, "test") != rows(c, "test")
    for part in ("train", "stop", "validation"):
        assert rows(a, part) != rows(b, part)
    assert rows(a, "train") == rows(data.split(0), "train")
    for fold in data.folds(4, seed=9):
        assert rows(fold, "test") == rows(a, "test")


@pytest.mark.parametrize("name", ["wine", "diabetes"])
def test_folds_cover_all_rows_once(name: str) -> None:
    data = load(name)
    folds = data.folds(5, 2)
    validated = [row for f in folds for row in rows(f, "validation")]
    assert sorted(validated + rows(folds[0], "test")) == list(range(len(data)))
    assert rows(data.folds(5, 3)[0], "validation") != rows(folds[0], "validation")


def test_stratified_parts_have_the_shares_of_the_classes() -> None:
    data = load("breast_cancer")
    split = data.split()
    assert split.how == "stratified"
    share = data.y.mean()
    for part in split.parts.values():
        assert abs(float(part.y.float().mean()) - share) < 0.02
    shuffled = [data.split(s, how="shuffle").stop.y.float().mean().item() for s in range(10)]
    assert max(abs(s - share) for s in shuffled) > 0.02


def test_groups_are_disjoint() -> None:
    data = load("digits")
    groups = np.arange(len(data)) // 13
    grouped = load((np.asarray(data.x), data.y), groups=groups)
    for split in (grouped.split(), *grouped.folds(3)):
        parts = [set(groups[p.rows]) for p in split.parts.values()]
        assert sum(len(p) for p in parts) == len(set.union(*parts))
        assert split.how == "grouped"


def test_parts_are_in_time_order() -> None:
    rng = np.random.default_rng(0)
    n = 200
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.permutation(n), unit="D")
    frame = pd.DataFrame({"a": rng.normal(size=n), "day": days.strftime("%Y-%m-%d"), "y": rng.normal(size=n)})
    split = load(frame, "y", time="day").split()
    order = time_rank(frame["day"].to_numpy())
    ends = [(order[p.rows].min(), order[p.rows].max()) for p in split.parts.values()]
    assert all(ends[i][1] < ends[i + 1][0] for i in range(3))
    for value in ("monday", "?"):
        with pytest.raises(InputError, match=rf"only ISO dates .*, got '{re.escape(value)}' in row 1; fix or drop"):
            time_rank(np.array(["1", value, "2"], object))


def test_invalid_methods() -> None:
    wine, diabetes = load("wine"), load("diabetes")
    with pytest.raises(InputError, match="Did you mean 'stratified'"):
        wine.split(how="stratify")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="needs groups"):
        wine.split(how="grouped")
    with pytest.raises(InputError, match="needs times"):
        wine.split(how="time")
    with pytest.raises(InputError, match="the task is regression"):
        diabetes.split(how="stratified")
    both = load((np.asarray(wine.x), wine.y), groups=np.arange(178), time=np.arange(178))
    with pytest.raises(InputError, match="groups and times"):
        both.split()
    assert both.split(how="grouped").how == "grouped"


@pytest.mark.parametrize("k", [1, 0, 2.5, True])
def test_k_is_a_number_of_folds(k: int) -> None:
    with pytest.raises(InputError, match="at least 2"):
        load("wine").folds(k)


@pytest.mark.parametrize("seed", [-1, 0.5, True, "a"])
def test_seeds(seed: int) -> None:
    with pytest.raises(InputError, match="seed must be a whole number"):
        load("wine").split(seed)
    with pytest.raises(InputError, match="test_seed must be"):
        load("wine").split(test_seed=seed)


def test_global_generator_is_untouched() -> None:
    before = np.random.get_state()[1].tolist()  # type: ignore[index,union-attr]
    load("wine").folds(3)
    assert np.random.get_state()[1].tolist() == before  # type: ignore[index,union-attr]


def test_official_test_part_is_the_test_part(shared: Callable[[str], Path]) -> None:
    data = load(shared("mnist.npz"))
    small = Dataset(data.name, data.x[:5000], data.y[:5000], data.task, data.target, data.classes, test=data.test)
    split = small.split()
    assert data.test is not None
    assert np.array_equal(split.test.y.numpy(), data.test[1])
    assert [len(p) for p in split.parts.values()] == [3530, 588, 882, 10000]
    assert split.spec.input_shape == (1, 28, 28)
    assert repr(small) == "Dataset(mnist: 5000 × 1 × 28 × 28, target 'y', 10 classes, test=10000)"
    assert len(small.folds(2)[1].test) == 10000


def test_folds_in_time_order_have_the_test_part_of_split() -> None:
    rng, days = np.random.default_rng(0), np.repeat(np.arange(25), 8)
    data = load((rng.normal(size=(200, 2)), rng.normal(size=200)), time=days)
    for fold in data.folds(3):
        assert rows(fold, "test") == rows(data.split(), "test")
