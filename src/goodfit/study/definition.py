"""What a study is: its data, network, settings, protocol and recipes. Equal definitions can share a folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from goodfit._version import __version__
from goodfit.data import TaskSpec
from goodfit.errors import InputError
from goodfit.serialization import to_json
from goodfit.study.candidates import Candidate
from goodfit.study.identity import hash_of, techniques_of
from goodfit.study.protocol import Protocol
from goodfit.study.stages import COMPARE
from goodfit.train.config import Training

FORMAT = 3
"""Version of the files of a study."""


OTHER = {"data": "other rows or options", "modules": "another network", "techniques": "other code of a technique",
         "space": "another space"}  # fmt: skip
"""How an error names differences of values that are hashes."""


@dataclass(frozen=True, eq=False)
class Definition:
    """Everything that the fits of a study follow from, and what a report says about them.

    Attributes:
        name: the name of the data; `data` is its fingerprint, `rows` counts the rows of the parts of a fold.
        network: the text of a reference network, or the class of the user's own; `modules` is the latter's structure.
        loss: the user's own loss as text; "" without one.
        protocol: with the chosen numbers; `design` is the protocol in words.
        candidates: the recipes that are compared in any case.
        search: what decides how other recipes are searched, as plain values; empty without a search.
        notes: what a reader must know.
    """

    name: str
    data: str
    rows: Mapping[str, int]
    spec: TaskSpec
    network: str
    modules: str
    training: Training
    metric: str
    loss: str
    protocol: Protocol
    design: str
    candidates: tuple[Candidate, ...]
    notes: tuple[str, ...] = ()
    search: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fits_per_candidate(self) -> int:
        """The number of fits by which a recipe is compared."""
        return (self.protocol.folds or 1) * (self.protocol.repeats or 1)

    @cached_property
    def trials(self) -> dict[str, Candidate]:
        """The recipes that are compared in any case, by their trial ids."""
        return {self.trial_id(candidate): candidate for candidate in self.candidates}

    def trial_id(self, candidate: Candidate) -> str:
        """The identifier of a trial: a hash of recipe and training settings.

        Raises:
            InputError: a recipe holds a function, which cannot be stored.
        """
        known = self._trial_ids.get(candidate)
        if known is None:
            known = hash_of([candidate.recipe.to_list(), candidate.settings(self.training).values()])
            self._trial_ids[candidate] = known
        return known

    @cached_property
    def _trial_ids(self) -> dict[Candidate, str]:
        return {}

    @property
    def hash(self) -> str:
        """A text that is the same for the same study only."""
        return hash_of(self.identity())

    def fit_id(self, trial: str, repeat: int, fold: int, stage: str = COMPARE) -> str:
        """The identifier of a fit: a hash of recipe, settings, fold and seed, and of the stage if it is no comparison.

        A recipe can be trained on the same fold in two stages, which keep different predictions.
        """
        other = [stage] if stage != COMPARE else []
        return hash_of([trial, repeat, fold, self.protocol.seed, *other])

    def identity(self) -> dict[str, Any]:
        """What decides the results of the fits, as plain values; two studies with the same identity are the same."""
        return {
            "data": self.data, "target": self.spec.target, "task": self.spec.task, "network": self.network,
            "modules": self.modules, "training": self.training.values(), "metric": self.metric, "loss": self.loss,
            "protocol": self.protocol.values(), "recipes": [c.to_dict() for c in self.candidates],
            "techniques": techniques_of([c.recipe for c in self.candidates]), "search": dict(self.search),
        }  # fmt: skip

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "format": FORMAT, "goodfit": __version__, "name": self.name, "identity": self.identity(),
            "rows": dict(self.rows), "spec": self.spec.to_dict(), "design": self.design, "notes": list(self.notes),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, values: Any, file: Any) -> Definition:
        """The inverse of `to_dict`.

        Raises:
            InputError: another format, or values that are not those of a study.
        """
        version = values.get("format") if isinstance(values, dict) else None
        if version != FORMAT:
            raise InputError(
                f"study: '{file}' must have format {FORMAT}, got format={version!r} of another goodfit version; choose "
                "another folder, or overwrite it with --force (force=True)."
            )
        try:
            i = values["identity"]
            recipes = tuple(Candidate.from_dict(each) for each in i["recipes"])
            return cls(
                values["name"], i["data"], values["rows"], TaskSpec.from_dict(values["spec"]), i["network"],
                i["modules"], Training.of(i["training"]), i["metric"], i["loss"], Protocol.of(i["protocol"]),
                values["design"], recipes, tuple(values["notes"]), i["search"],
            )  # fmt: skip
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"study: '{file}' is damaged ({error!r}); choose another folder.") from error


def differences(before: Definition, now: Definition) -> list[str]:
    """In words, where two definitions differ; empty for the same study.

    The values of long entries are left out.
    """
    stored, current = (json.loads(to_json(d.identity())) for d in (before, now))
    return list(_differences(stored, current))


def _differences(stored: Mapping[str, Any], current: Mapping[str, Any]) -> Sequence[str]:
    lines: list[str] = []
    for key, value in current.items():
        old = stored.get(key)
        if old == value:
            continue
        if isinstance(value, dict) and isinstance(old, dict) and bool(value) == bool(old):
            lines += _differences(old, value)
        elif key in OTHER:
            lines.append(OTHER[key])
        elif key == "search" and (not old or not value):
            lines.append("a search there, none here" if old else "no search there, a search here")
        elif key == "recipes":
            lines.append(f"{len(old or ())} recipes there, {len(value)} here" if len(old or ()) != len(value)
                         else "other recipes")  # fmt: skip
        else:
            lines.append(f"{key} {old!r} there, {value!r} here")
    return lines
