import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from goodfit.data import Dataset, Part, TrainPart, load
from goodfit.data.split import part_counts
from goodfit.errors import InputError
from goodfit.study import Protocol, run_study
from goodfit.train.config import Training
from goodfit.train.fit import fit

ONE = Protocol(folds=1, repeats=1)


def test_dtypes_and_shapes_of_tensors() -> None:
    split = load("iris").split()
    for part in split.parts.values():
        assert part.x.dtype == torch.float32
        assert part.x.is_contiguous()
        assert part.y.dtype == torch.int64
        assert part.y.shape == (len(part),)
    assert (split.spec.n_outputs, split.spec.classes) == (3, ("setosa", "versicolor", "virginica"))
    split = load("diabetes").split()
    assert split.stop.y.dtype == torch.float32
    assert split.stop.y.shape == (len(split.stop), 1)
    assert (split.spec.n_outputs, split.spec.classes) == (1, ())


def test_the_size_is_that_of_the_inputs_of_all_parts() -> None:
    split = load("iris").split(seed=0)
    assert split.nbytes == sum(part.x.nbytes for part in split.parts.values()) == 150 * 4 * 4


def test_only_train_is_a_train_part() -> None:
    split = load("iris").split()
    assert isinstance(split.train, TrainPart)
    for part in (split.stop, split.validation, split.test):
        assert type(part) is Part
    with pytest.raises(dataclasses.FrozenInstanceError):
        split.train.x = split.test.x  # type: ignore[misc]


def test_preprocessing_is_learned_from_the_training_part_only() -> None:
    data = load("wine")
    assert isinstance(data.x, pd.DataFrame)
    split = data.split()
    spoiled = data.x.copy()
    others = np.setdiff1d(np.arange(len(data)), split.train.rows)
    spoiled.iloc[others] += 1000.0
    reloaded = load((spoiled, data.y)).split()
    assert np.array_equal(reloaded.train.rows, split.train.rows)
    assert reloaded.preprocessing == split.preprocessing
    assert torch.equal(reloaded.train.x, split.train.x)
    assert not torch.equal(reloaded.test.x, split.test.x)
    assert torch.allclose(split.train.x.mean(0), torch.zeros(13), atol=1e-5)


def test_rows_are_positions_in_the_data() -> None:
    data = load("iris")
    split = data.split()
    for part in split.parts.values():
        raw = data.x.iloc[part.rows]  # type: ignore[union-attr]
        assert np.array_equal(split.preprocessing.transform(raw), part.x.numpy())
        assert np.array_equal(data.y[part.rows], part.y.numpy())


def test_sizes() -> None:
    split = load("digits").split(sizes=(0.5, 0.1, 0.2, 0.2))
    assert [len(p) for p in split.parts.values()] == [899, 180, 359, 359]
    assert part_counts(60_000, (0.6, 0.1, 0.15, 0.15), official=True) == (7059, 10588, 0)
    assert part_counts(100, (0.7, 0.1, 0.2, 0.0), official=True) == (10, 20, 0)


@pytest.mark.parametrize(
    ("sizes", "says"),
    [
        ((0.6, 0.1, 0.1, 0.1), "with sum 0.9"),
        ((0.7, 0.3), "four positive"),
        ((0.7, 0.0, 0.15, 0.15), "four positive"),
        ((1.2, -0.2, 0.0, 0.0), "four positive"),
        ((float("nan"), 0.1, 0.1, 0.1), "four positive"),
        ("abcd", "four positive"),
        (None, "four positive"),
        ((0.997, 0.001, 0.001, 0.001), "the stop part would have 0 of 150 rows"),
    ],
)
def test_invalid_sizes(sizes: object, says: str) -> None:
    with pytest.raises(InputError, match=says):
        load("iris").split(sizes=sizes)  # type: ignore[arg-type]


def test_too_few_rows() -> None:
    data = load((np.eye(4), [0, 1, 0, 1]))
    with pytest.raises(InputError, match="the stop part would have 0 of 4 rows"):
        data.split()


def test_classes_without_training_rows() -> None:
    x = np.random.default_rng(0).normal(size=(100, 2))
    with pytest.raises(InputError, match="would have a single class"):
        load((x, [0] * 70 + [1] * 30), time=np.arange(100)).split()
    split = load((x, [0, 1] * 40 + [2] * 20), time=np.arange(100)).split()
    assert split.note == (
        "there is no training row of class '2'; there is no test row of class '0', '1'; "
        "there is no stop row of class '2'"
    )
    assert split.note in split.text


def test_duplicates_across_parts_are_counted(shared: Callable[[str], Path]) -> None:
    x = np.random.default_rng(0).normal(size=(100, 3))
    y = [0, 1] * 50
    assert load((x, y)).split().duplicates.total == 0
    doubled = load((np.concatenate([x, x]), y + y)).split()
    rows = {name: part.rows % 100 for name, part in doubled.parts.items()}
    for (earlier, later), count in doubled.duplicates.counts.items():
        assert count == np.isin(rows[later], rows[earlier]).sum()
    assert doubled.duplicates.total > 50
    kc1 = load(shared("tabular/kc1.csv.gz")).split()
    assert kc1.duplicates.counts["train", "test"] > 100
    assert "test rows are also in train" in repr(kc1)


def test_duplicates_in_an_official_test_part(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (60, 4, 4), np.uint8)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=[0, 1] * 30, x_test=x[:20], y_test=[0, 1] * 10)
    counts = load(tmp_path / "a.npz").split().duplicates.counts
    assert counts["train", "test"] + counts["stop", "test"] + counts["validation", "test"] == 20


def test_parts_with_unequal_lengths_are_refused() -> None:
    with pytest.raises(InputError, match="must be equal"):
        Part(torch.zeros(2, 1), torch.zeros(3), np.arange(2))


def test_a_column_that_is_missing_in_all_training_rows() -> None:
    n = 100
    frame = pd.DataFrame({"a": np.arange(n) % 7, "late": [np.nan] * 70 + [1.0, 2.0] * 15, "y": [0, 1] * 50})
    split = load(frame, "y", time=np.arange(n)).split()
    assert split.preprocessing.feature_names == ("a", "late", "late is missing")
    assert not any(part.x[:, 1:].any() for part in split.parts.values())  # nothing was learned about it


def test_difficult_real_tables_load_and_split(shared: Callable[[str], Path]) -> None:
    for name in ("adult", "credit-g", "blood-transfusion", "vehicle"):
        split = load(shared(f"tabular/{name}.csv.gz")).split()
        for part in split.parts.values():
            assert bool(torch.isfinite(part.x).all())
        assert split.spec.name == name


def ragged_table() -> pd.DataFrame:
    """A table whose rare values are in some parts only: constant columns, missing values, rare categories."""
    rng = np.random.default_rng(0)
    n = 240
    frame = pd.DataFrame({f"rare{i}": (rng.permutation(n) < 2).astype(float) for i in range(8)})
    frame["gaps"] = np.where(rng.permutation(n) < 2, np.nan, rng.normal(size=n))
    frame["city"] = rng.choice(["Rome", "Bern", "Oslo", "Bonn"], n, p=[0.9, 0.07, 0.02, 0.01])
    frame["signal"] = rng.normal(size=n)
    return frame.assign(y=(frame["signal"] > 0).astype(int))


@pytest.mark.parametrize("how", ["stratified", "shuffle", "grouped", "time"])
def test_every_split_and_fold_has_the_same_inputs(how: str) -> None:
    frame = ragged_table()
    data = load(frame, target="y", groups=np.arange(240) // 4, time=np.arange(240))
    splits = [data.split(seed, how=how) for seed in range(5)]  # type: ignore[arg-type]
    splits += [fold for seed in range(2) for fold in data.folds(4, seed, how=how)]  # type: ignore[arg-type]
    assert len({split.spec.input_shape for split in splits}) == 1
    assert len({split.preprocessing.feature_names for split in splits}) == 1  # type: ignore[union-attr]
    assert len({split.spec.inputs.groups for split in splits}) == 1


def test_test_rows_play_no_part_in_the_inputs() -> None:
    frame = ragged_table()
    test = load(frame, target="y").split().test.rows
    changed = frame.copy()
    changed.loc[test, ["signal", "gaps"]] = 1e6
    changed.loc[test, "city"] = "Paris"
    before, after = load(frame, target="y").split(), load(changed, target="y").split()
    assert np.array_equal(before.test.rows, after.test.rows)
    assert before.preprocessing == after.preprocessing
    assert torch.equal(before.train.x, after.train.x)


def test_one_network_of_a_users_own_fits_a_whole_study() -> None:
    data = load(ragged_table(), target="y")
    network = torch.nn.Linear(*data.split().spec.input_shape, 2)
    study = run_study(
        data, network, ["l2=0.01"], Training(epochs=1), protocol=Protocol(folds=4, repeats=1), progress=False
    )
    assert len(study.fits) == 8
    assert not any(fit.failure for fit in study.fits)


def rare_class() -> Dataset:
    """200 rows, of which 4 are of class 1: too few for a stop part of 20 rows."""
    return load((np.random.default_rng(0).normal(size=(200, 4)), (np.arange(200) < 4).astype(int)))


def test_a_note_says_which_class_is_missing_where_and_how_many_rows_are_enough() -> None:
    split = rare_class().split()
    missing = [name for name, part in split.parts.items() if not (part.y == 1).any()]
    assert "stop" in missing
    rare = f"there is no {' and no '.join(missing)} row of class '1' (4 rows in all, about 10 would be enough)"
    assert split.note == rare
    x, y = np.random.default_rng(0).normal(size=(200, 4)), (np.arange(200) < 10).astype(int)
    enough = load((x, y)).split()
    assert not enough.note
    assert all((part.y == 1).any() for part in enough.parts.values())


@pytest.mark.parametrize("recipe", ["", "early_stopping(3, monitor='stop_roc_auc')"])
def test_a_metric_that_is_not_defined_is_refused_before_training(recipe: str) -> None:
    data, training = rare_class(), Training(epochs=1, metric="roc_auc")
    expected = "roc_auc needs rows of two classes, got 20 stop rows of class '0' alone; use data with about 10 rows"
    with pytest.raises(InputError, match=expected):
        fit("mlp:4", data.split(), recipe, training, progress=False)
    with pytest.raises(InputError, match="roc_auc needs rows of two classes, got"):
        run_study(data, "mlp:4", [recipe], training, protocol=ONE, progress=False)
    run = fit("mlp:4", data.split(), "", Training(epochs=1, metric="balanced_accuracy"), progress=False)
    assert np.isfinite(run.row["stop_balanced_accuracy"])


def test_a_study_needs_a_metric_that_is_defined_on_the_validation_rows() -> None:
    y = np.arange(200) % 2
    x, time = np.random.default_rng(0).normal(size=(200, 4)), np.arange(200)
    y[load((x, y), time=time).split().validation.rows] = 0
    training = Training(epochs=1, metric="roc_auc")
    with pytest.raises(InputError, match="30 validation rows of class '0' alone"):
        run_study(load((x, y), time=time), "mlp:4", [""], training, protocol=ONE, progress=False)
