from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_iris

from goodfit.data import load
from goodfit.errors import InputError

Shared = Callable[[str], Path]


def test_table_with_target_groups_and_time() -> None:
    frame = pd.DataFrame({"a": range(8), "who": list("aabbccdd"), "when": range(8), "y": [0, 1] * 4})
    data = load(frame, "y", groups="who", time="when")
    assert isinstance(data.x, pd.DataFrame)
    assert list(data.x.columns) == ["a"]
    assert data.groups is not None
    assert data.groups.tolist() == list("aabbccdd")
    assert data.time is not None
    assert data.time.tolist() == list(range(8))
    assert list(frame.columns) == ["a", "who", "when", "y"]


def test_usual_target_names_are_found() -> None:
    assert load(pd.DataFrame({"a": range(8), "Class": [0, 1] * 4})).target == "Class"
    with pytest.raises(InputError, match="name the target"):
        load(pd.DataFrame({"label": range(8), "class": [0, 1] * 4}))


def test_pairs_of_every_type() -> None:
    x, y = load_iris(return_X_y=True)
    frame = pd.DataFrame(x, columns=list("abcd"))
    sources = [
        (x, y),
        (torch.tensor(x), torch.tensor(y)),
        (x.tolist(), y.tolist()),
        (frame, pd.Series(y, name="kind")),
    ]
    for source in sources:
        data = load(source)
        assert data.classes == ("0", "1", "2")
        assert np.array_equal(data.y, y)
        assert np.allclose(np.asarray(data.x), x)
    assert load(sources[3]).target == "kind"


def test_bundled_sets_by_either_spelling() -> None:
    assert load("breast-cancer").classes == load("breast_cancer").classes == ("benign", "malignant")
    assert load("digits").x.shape == (1797, 64)
    assert load("diabetes").task == "regression"
    assert load("iris", "petal width (cm)").task == "regression"


def test_unknown_names() -> None:
    with pytest.raises(InputError, match="Did you mean 'digits'"):
        load("digitss")


def test_missing_file_names_near_ones(tmp_path: Path) -> None:
    (tmp_path / "adult.csv").write_text("a,y\n1,2\n")
    with pytest.raises(InputError, match=r"there is no file .*adlt\.csv'\. Did you mean 'adult\.csv'\?"):
        load(tmp_path / "adlt.csv")


def test_official_test_part(tmp_path: Path) -> None:
    x = np.random.default_rng(0).integers(0, 256, (30, 2, 2), np.uint8)
    np.savez(tmp_path / "a.npz", x_train=x[:20], y_train=[3, 5] * 10, x_test=x[20:], y_test=[5] * 10)
    data = load(tmp_path / "a.npz")
    assert data.test is not None
    assert data.test[1].tolist() == [1] * 10
    assert len(data) == 20
    np.savez(tmp_path / "c.npz", x_train=x[:20], y_train=[3, 5] * 10, x_test=x[20:], labels=[3, 5] * 10)
    assert load(tmp_path / "c.npz", "labels").test is None
    np.savez(tmp_path / "d.npz", x_train=x[:20], a_train=[3, 5] * 10, x_test=x[20:], a_test=[5] * 10)
    other = load(tmp_path / "d.npz", "a_train").test
    assert other is not None
    assert other[1].tolist() == [1] * 10
    np.savez(tmp_path / "b.npz", x_train=x[:20], y_train=[3, 5] * 10, x_test=x[20:, :1], y_test=[5] * 10)
    with pytest.raises(InputError, match="rows of x_test must have the shape of those of x"):
        load(tmp_path / "b.npz")


def test_real_tables(shared: Shared) -> None:
    adult = load(shared("tabular/adult.csv.gz"))
    assert adult.x.shape == (48842, 14)
    assert adult.classes == ("<=50K", ">50K")
    assert np.bincount(adult.y).tolist() == [37155, 11687]
    credit = load(shared("tabular/credit-g.csv.gz"), "class")
    assert isinstance(credit.x, pd.DataFrame)
    assert (credit.x["other_parties"] == "none").any()  # a category, not a missing value
    assert load(shared("tabular/kc1.csv.gz")).classes == ("false", "true")


def test_mnist(shared: Shared) -> None:
    data = load(shared("mnist.npz"))
    assert data.x.shape == (60000, 1, 28, 28)
    assert data.test is not None
    assert len(data.test[1]) == 10000
    assert data.classes == tuple("0123456789")
