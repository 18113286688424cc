import urllib.error
from typing import Any

import pandas as pd
import pytest
import sklearn.datasets
import sklearn.datasets._openml as openml
from sklearn.utils import Bunch

from goodfit.data import load
from goodfit.errors import InputError


def test_offline_errors_are_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    def unreachable(*args: object, **named: object) -> None:
        raise urllib.error.URLError("no route")

    monkeypatch.setattr(openml, "urlopen", unreachable)
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(tmp_path))
    with pytest.raises(
        InputError, match=r"'openml:credit-g' could not be downloaded .* offline .* load it as a file\.$"
    ):
        load("openml:credit-g")


def test_names_versions_and_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    requests: list[dict[str, Any]] = []

    def fetch(**named: Any) -> Bunch:
        requests.append({k: v for k, v in named.items() if k in ("name", "version", "data_id")})
        frame = pd.DataFrame({"a": range(6), "risk": pd.Categorical(list("gbgbgb"))})
        return Bunch(frame=frame, target_names=["risk"], details={"name": "credit-g"})

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    data = load("openml:credit-g:2")
    assert (data.name, data.target, data.classes) == ("credit-g", "risk", ("b", "g"))
    load("openml:31")
    load("openml:credit-g", "a", task="regression")
    assert requests == [{"name": "credit-g", "version": 2}, {"data_id": 31}, {"name": "credit-g"}]


def test_unknown_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(**named: Any) -> Bunch:
        raise ValueError("No active dataset nonsense result.")

    monkeypatch.setattr(sklearn.datasets, "fetch_openml", fetch)
    with pytest.raises(InputError, match="cannot be used: No active dataset nonsense result"):
        load("openml:nonsense")
    with pytest.raises(InputError, match="names no data set"):
        load("openml:")
