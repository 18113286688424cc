"""A study in an Optuna storage, and the rows from which its trials follow."""

from __future__ import annotations

import json
import math
import statistics
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from goodfit.errors import InputError
from goodfit.study.optuna_storage import StorageAddress, open_storage
from goodfit.study.trial_parameters import parameters_of

TOKEN = "goodfit:token"
"""System attribute that identifies a study: another one with its name and number may replace it."""
FAILURES = "failures"
"""User attribute of a trial: fold → why it has no value."""


@dataclass(frozen=True)
class TrialRow:
    """One recipe with its training settings.

    Attributes:
        id: a stable hash.
        label: the short name, for instance "plain" or "l2=0.01".
        recipe: the text of the recipe.
        values: fold → metric of the finished fits; NaN if the fit failed or the metric is undefined.
        failures: fold → why the fit failed.
        complete: whether all fits are finished.
    """

    id: str
    label: str
    recipe: str
    values: Mapping[int, float]
    failures: Mapping[int, str]
    complete: bool

    def scores(self) -> dict[int, float]:
        """Return the metric of the folds that have one. Optuna's plots cannot show other values than finite ones."""
        defined = {fold: float(v) for fold, v in self.values.items() if math.isfinite(v)}
        return {fold: value for fold, value in sorted(defined.items()) if fold not in self.failures}

    def reasons(self) -> dict[int, str]:
        """Return the folds that have no metric, and why."""
        undefined = {fold: f"the metric is {v}" for fold, v in self.values.items() if not math.isfinite(v)}
        return dict(sorted({**undefined, **self.failures}.items()))

    def outcome(self) -> tuple[TrialState, float | None]:
        """Return the state and the value of the trial: the mean over the folds that have a metric."""
        if not self.complete:
            return TrialState.RUNNING, None
        scores = self.scores()
        return (TrialState.COMPLETE, statistics.fmean(scores.values())) if scores else (TrialState.FAIL, None)


@dataclass
class StoredTrial:
    """What the database has of a trial. Optuna changes no trial that is finished."""

    number: int  # trial_id of Optuna
    scores: set[int]
    failures: dict[int, str]
    finished: bool

    @classmethod
    def of(cls, trial: FrozenTrial) -> StoredTrial:
        """Return what a trial of Optuna has."""
        failures = {int(fold): text for fold, text in trial.user_attrs.get(FAILURES, {}).items()}
        return cls(trial._trial_id, {*trial.intermediate_values}, failures, trial.state.is_finished())

    def lacks(self, row: TrialRow) -> bool:
        """Whether the row has more than this. A fit that failed may succeed later, but not the other way round."""
        more = bool(row.scores().keys() - self.scores or row.reasons().keys() - self.scores - self.failures.keys())
        return more or (row.complete and not self.finished)


@dataclass(frozen=True)
class StudyHeader:
    """The name of a study, the direction in which its metric is better, and its user attributes."""

    name: str
    direction: StudyDirection
    attributes: Mapping[str, Any]


class StoredStudy:
    """A study in an open storage, and what is known to be in it: nothing is written twice."""

    def __init__(self, address: StorageAddress, header: StudyHeader) -> None:
        self.address, self.storage = address, open_storage(address)
        study = optuna.create_study(
            storage=self.storage, study_name=header.name, direction=header.direction, load_if_exists=True
        )
        self._check_direction(address, header, study)
        self._describe(header, study)
        self.id = self.storage.get_study_id_from_name(header.name)
        self.token = self._own_token()
        self.trials = self._read()
        self.state = _journal_state(address)

    @staticmethod
    def _check_direction(address: StorageAddress, header: StudyHeader, study: optuna.Study) -> None:
        if study.directions != [header.direction]:
            stored = ", ".join(direction.name.lower() for direction in study.directions)
            raise InputError(
                f"database: the direction of the study '{header.name}' must be {header.direction.name.lower()}, "
                f"got {stored} in '{address.shown}'; {address.remedy}."
            )

    @staticmethod
    def _describe(header: StudyHeader, study: optuna.Study) -> None:
        attributes, stored = json.loads(json.dumps(dict(header.attributes), default=str)), study.user_attrs
        for name, value in attributes.items():
            if name not in stored or stored[name] != value:
                study.set_user_attr(name, value)
        if isinstance(name := attributes.get("metric"), str) and study.metric_names != [name]:
            study.set_metric_names([name])  # titles of the plots

    def _own_token(self) -> str:
        token = self.storage.get_study_system_attrs(self.id).get(TOKEN)
        if token is None:
            token = uuid.uuid4().hex
            self.storage.set_study_system_attr(self.id, TOKEN, token)
        return str(token)

    def lacks(self, rows: Iterable[TrialRow]) -> bool:
        """Whether the rows have more than is known to be stored. This needs no access to the storage."""
        return any(self._lacks(row) for row in rows)

    def _lacks(self, row: TrialRow) -> bool:
        stored = self.trials.get(row.id)
        return stored is None or stored.lacks(row)

    def _needs_trial(self, row: TrialRow) -> bool:
        """Whether a new trial is needed: there is none, or it was finished before fits of other folds were added."""
        stored = self.trials.get(row.id)
        return stored is None or (stored.finished and stored.lacks(row))

    def write(self, rows: Iterable[TrialRow]) -> None:
        """Write what the rows have more.

        Raises:
            Exception: the storage cannot be read or written, or the study was replaced.
        """
        self._check_token()
        missing = [row for row in rows if self._lacks(row)]
        if any(self._needs_trial(row) for row in missing):
            self.trials = self._read()  # another process may have created them
        for row in missing:
            if self._needs_trial(row):
                self.trials[row.id] = self._create(row)
            elif self._lacks(row):
                self._complete(self.trials[row.id], row)
        self.state = _journal_state(self.address)

    def _check_token(self) -> None:
        first_entry, size = _journal_state(self.address)
        replaced = first_entry != self.state[0] or size < self.state[1]
        if replaced or self.storage.get_study_system_attrs(self.id).get(TOKEN) != self.token:
            raise LookupError(f"the study {self.id} was replaced by another one")

    def _read(self) -> dict[str, StoredTrial]:
        """Return the trials by the `id` of their rows: of several, the last one, which has more folds."""
        trials = self.storage.get_all_trials(self.id, deepcopy=False)
        return {t.user_attrs["id"]: StoredTrial.of(t) for t in trials if "id" in t.user_attrs}

    def _create(self, row: TrialRow) -> StoredTrial:
        state, value = row.outcome()
        parameters, reasons = parameters_of(row.recipe), row.reasons()
        attributes = {"id": row.id, "label": row.label, "recipe": row.recipe}
        trial = create_trial(
            state=state,
            value=value,
            params={name: number for name, (number, _) in parameters.items()},
            distributions={name: limits for name, (_, limits) in parameters.items()},
            user_attrs=attributes | ({FAILURES: _as_json(reasons)} if reasons else {}),
            intermediate_values=row.scores(),
        )
        number = self.storage.create_new_trial(self.id, trial)
        return StoredTrial(number, {*row.scores()}, reasons, state.is_finished())

    def _complete(self, stored: StoredTrial, row: TrialRow) -> None:
        try:
            self._update(stored, row)
        except RuntimeError:  # another process has finished it meanwhile (Optuna 4.0 has no subclass for this)
            self.trials[row.id] = StoredTrial.of(self.storage.get_trial(stored.number))

    def _update(self, stored: StoredTrial, row: TrialRow) -> None:
        for fold, value in row.scores().items():
            if fold not in stored.scores:
                self.storage.set_trial_intermediate_value(stored.number, fold, value)
                stored.scores.add(fold)
        reasons = {f: text for f, text in (row.reasons() | stored.failures).items() if f not in stored.scores}
        if reasons != stored.failures:
            self.storage.set_trial_user_attr(stored.number, FAILURES, _as_json(reasons))
            stored.failures = reasons
        state, mean = row.outcome()
        if state.is_finished():
            self.storage.set_trial_state_values(stored.number, state, None if mean is None else [mean])
            stored.finished = True


def _as_json(reasons: Mapping[int, str]) -> dict[str, str]:
    """Return the reasons with folds as text, as JSON has them."""
    return {str(fold): text for fold, text in reasons.items()}


def _journal_state(address: StorageAddress) -> tuple[bytes, int]:
    """Return the first entry of a journal, which is unique, and its size. An open journal does not read them again."""
    if not address.is_journal:
        return b"", 0
    path = Path(address.text)
    with path.open("rb") as file:
        return file.readline(1000), path.stat().st_size
