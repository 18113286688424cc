import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState

from goodfit.study.optuna_storage import StorageAddress, quiet
from goodfit.study.stored_study import StoredStudy, StudyHeader, TrialRow

HEADER = StudyHeader("hand", StudyDirection.MAXIMIZE, {"metric": "accuracy", "rows": (80, 20), "folder": Path("a")})


@pytest.fixture(params=["sqlite:///{}/study.db", "{}/study.journal"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.param).format(tmp_path)


@pytest.fixture
def connect(url: str) -> Callable[[], StoredStudy]:
    def connect_() -> StoredStudy:
        with quiet():
            return StoredStudy(StorageAddress.of(url), HEADER)

    return connect_


def test_outcome_is_the_mean_over_the_defined_values() -> None:
    row = TrialRow("i", "l2", "l2", {1: 0.5, 0: 0.25, 2: math.nan, 3: math.inf, 4: 0.9}, {4: "it failed"}, True)
    assert list(row.scores().items()) == [(0, 0.25), (1, 0.5)]
    assert row.reasons() == {2: "the metric is nan", 3: "the metric is inf", 4: "it failed"}
    assert row.outcome() == (TrialState.COMPLETE, 0.375)
    assert TrialRow("i", "l2", "l2", {0: 0.5}, {}, False).outcome() == (TrialState.RUNNING, None)
    assert TrialRow("i", "l2", "l2", {}, {0: "it failed"}, True).outcome() == (TrialState.FAIL, None)


def test_the_study_is_described(connect: Callable[[], StoredStudy]) -> None:
    stored = connect()
    attributes = stored.storage.get_study_user_attrs(stored.id)
    assert attributes == {"metric": "accuracy", "rows": [80, 20], "folder": "a"}
    assert stored.storage.get_study_directions(stored.id) == [StudyDirection.MAXIMIZE]
    assert stored.storage.get_study_system_attrs(stored.id)["study:metric_names"] == ["accuracy"]
    assert connect().token == stored.token


def test_only_what_is_missing_is_written(
    connect: Callable[[], StoredStudy], make_row: Callable[..., TrialRow], monkeypatch: pytest.MonkeyPatch
) -> None:
    stored, written = connect(), []

    def recorded(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            written.append(name)
            return real(*arguments)

        return call

    for name in ("create_new_trial", "set_trial_intermediate_value", "set_trial_user_attr", "set_trial_state_values"):
        monkeypatch.setattr(stored.storage, name, recorded(name, getattr(stored.storage, name)))
    stored.write([make_row("l2", [0.5])])
    stored.write([make_row("l2", [0.5])])
    assert written == ["create_new_trial"]
    stored.write([make_row("l2", [0.5, 0.6, None])])
    assert written[1:] == ["set_trial_intermediate_value", "set_trial_user_attr"]
    stored.write([make_row("l2", [0.5, 0.6, None, 0.7, 0.8])])
    assert written[3:] == ["set_trial_intermediate_value"] * 2 + ["set_trial_state_values"]


def test_a_trial_that_another_process_finishes_is_not_changed(
    connect: Callable[[], StoredStudy], make_row: Callable[..., TrialRow]
) -> None:
    first, second = connect(), connect()
    first.write([make_row("l2", [0.5])])
    second.write([make_row("l2", [0.5, 0.6, 0.7, 0.8, 0.9])])
    first.write([make_row("l2", [0.5, 0.6, 0.7, 0.8, 0.9])])
    (trial,) = first.storage.get_all_trials(first.id)
    assert (trial.state, trial.value) == (TrialState.COMPLETE, pytest.approx(0.7))
    assert not first.lacks([make_row("l2", [0.5, 0.6, 0.7, 0.8, 0.9])])


def test_optuna_refuses_to_change_it(connect: Callable[[], StoredStudy], make_row: Callable[..., TrialRow]) -> None:
    stored = connect()
    stored.write([make_row("l2", [0.5], folds=1)])
    with pytest.raises(RuntimeError, match="finished"):
        stored.storage.set_trial_intermediate_value(stored.trials["id of l2"].number, 1, 0.5)


def test_folds_that_are_added_to_a_finished_trial_need_another_one(
    connect: Callable[[], StoredStudy], make_row: Callable[..., TrialRow]
) -> None:
    first, second = connect(), connect()
    first.write([make_row("l2", [0.5, 0.7], folds=2)])
    first.write([make_row("l2", [0.5, 0.7, 0.9])])
    second.write([make_row("l2", [0.5, 0.7, 0.9, 0.9, 0.9])])
    first.write([make_row("l2", [0.5, 0.7, 0.9, 0.9, 0.9])])
    old, new = first.storage.get_all_trials(first.id)
    assert (old.value, new.value) == (0.6, pytest.approx(0.78))
    assert old.user_attrs["id"] == new.user_attrs["id"]


def test_a_fit_that_failed_may_succeed_later(
    connect: Callable[[], StoredStudy], make_row: Callable[..., TrialRow]
) -> None:
    first, second = connect(), connect()
    first.write([make_row("l2", [0.5, None, None])])
    second.write([make_row("l2", [0.5, 0.75, None])])
    assert not second.lacks([make_row("l2", [0.5, None, None])])
    first.write([make_row("l2", [0.5, 0.75, None])])
    (trial,) = first.storage.get_all_trials(first.id)
    assert trial.intermediate_values == {0: 0.5, 1: 0.75}
    assert trial.user_attrs["failures"] == {"2": "the loss is not finite"}


def test_a_replaced_study_is_noticed(
    connect: Callable[[], StoredStudy], make_row: Callable[..., TrialRow], url: str
) -> None:
    stored = connect()
    stored.write([make_row("l2", [0.5])])
    Path(url.removeprefix("sqlite:///")).unlink()
    connect()
    with quiet(), pytest.raises(LookupError, match="was replaced by another one"):
        stored.write([make_row("l2", [0.5, 0.6])])


def test_trials_of_other_programs_are_ignored(
    connect: Callable[[], StoredStudy], make_row: Callable[..., TrialRow]
) -> None:
    stored = connect()
    stored.storage.create_new_trial(stored.id)
    stored.write([make_row("l2", [0.5])])
    assert [t.user_attrs.get("label") for t in stored.storage.get_all_trials(stored.id)] == [None, "l2"]
