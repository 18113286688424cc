"""What a study is: identity, identifiers, and where two definitions differ."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from goodfit.data import Dataset, load
from goodfit.data.fingerprint import fingerprint
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.serialization import read_json, write_json
from goodfit.study import Protocol, run_study
from goodfit.study.candidates import candidates_from
from goodfit.study.definition import Definition, differences
from goodfit.study.identity import modules_of
from goodfit.train.config import Training

RECIPES = ("l2=0.01", "dropout=0.25, max_norm=inf")


def define(recipes: Sequence[str] = RECIPES, **changes: Any) -> Definition:
    spec = load("iris").split().spec
    definition = Definition(
        "iris", "abc", {"train": 50, "stop": 10, "validation": 20, "test": 20}, spec, "mlp:8", "",
        Training(epochs=2, learning_rate=0.1), "accuracy", "", Protocol(folds=2, repeats=3), "2 folds × 3 repeats",
        tuple(candidates_from([Recipe.of(r) for r in recipes])), ("a note",),
    )  # fmt: skip
    return dataclasses.replace(definition, **changes)


def test_a_definition_is_the_same_when_it_is_read(tmp_path: Path) -> None:
    definition, file = define(), tmp_path / "study.json"
    write_json(file, definition.to_dict())
    read = Definition.from_dict(read_json(file), file)
    assert differences(read, definition) == differences(definition, read) == []
    assert read.to_dict() == definition.to_dict()
    assert read.hash == definition.hash
    assert (read.spec, read.training, read.protocol) == (definition.spec, definition.training, definition.protocol)
    assert read.candidates == definition.candidates
    assert (read.rows, read.notes, read.design) == (definition.rows, definition.notes, definition.design)
    assert list(read.trials) == list(definition.trials)
    assert (read.fits_per_candidate, definition.fits_per_candidate) == (2 * 3, 2 * 3)
    assert read.search == definition.search == {}


def test_equal_studies_have_equal_identities(iris: Dataset, quick: Training, two_folds: Protocol) -> None:
    first, second = (
        run_study(data, "mlp:4", ["l2=1e-2"], quick, protocol=two_folds).definition for data in (iris, load("iris"))
    )
    assert first.identity() == second.identity()
    assert json.loads(json.dumps(first.identity())) == first.identity()


CHANGES: list[tuple[dict[str, Any], list[str]]] = [
    ({"data": "xyz"}, ["other rows or options"]),
    ({"network": "mlp:9"}, ["network 'mlp:8' there, 'mlp:9' here"]),
    ({"modules": "m"}, ["another network"]),
    ({"metric": "log_loss"}, ["metric 'accuracy' there, 'log_loss' here"]),
    ({"loss": "focal"}, ["loss '' there, 'focal' here"]),
    ({"training": Training(epochs=3, learning_rate=0.1)}, ["epochs 2 there, 3 here"]),
    ({"protocol": Protocol(folds=2, repeats=3, seed=1)}, ["seed 0 there, 1 here"]),
    ({"protocol": Protocol(folds=5, repeats=2)}, ["folds 2 there, 5 here", "repeats 3 there, 2 here"]),
    ({"candidates": define(["l2=0.02", RECIPES[1]]).candidates}, ["other recipes"]),
    ({"candidates": define(RECIPES[:1]).candidates}, ["3 recipes there, 2 here"]),
    ({"search": {"sampler": "tpe"}}, ["no search there, a search here"]),
    ({"notes": ("another note",), "rows": {}, "design": "in other words", "name": "other"}, []),
]


@pytest.mark.parametrize(
    ("changes", "expected"), CHANGES, ids=[", ".join(c) + str(i) for i, (c, _) in enumerate(CHANGES)]
)
def test_differences_in_words(changes: dict[str, Any], expected: list[str]) -> None:
    other = define(**changes)
    assert differences(define(), other) == expected
    assert (other.hash == define().hash) is (not expected)


def test_identifiers_differ_by_recipe_settings_fold_and_seed() -> None:
    base, slow = define(), define(training=Training(epochs=99))
    assert len(base.trials) == 3
    assert not set(base.trials) & set(slow.trials)
    ids = [base.fit_id(trial, repeat, fold) for trial in base.trials for repeat in range(3) for fold in range(2)]
    assert len(set(ids)) == len(ids) == 3 * base.fits_per_candidate == 18
    other_seed = define(protocol=Protocol(folds=2, repeats=3, seed=1))
    assert not set(ids) & {other_seed.fit_id(t, r, f) for t in base.trials for r in range(3) for f in range(2)}


def test_a_recipe_has_the_same_identifier_in_every_study() -> None:
    # so more recipes do not change the fits of the others
    assert set(define(RECIPES[:1]).trials) < set(define().trials)
    assert define(data="xyz").fit_id("t", 0, 1) == define().fit_id("t", 0, 1)


@pytest.mark.parametrize("values", [{"format": 2}, {"format": 4}, {}, [], None, "study"])
def test_another_format_is_refused(values: Any) -> None:
    with pytest.raises(
        InputError, match=r"study: 'study\.json' must have format 3, got format=.* overwrite it with --f"
    ):
        Definition.from_dict(values, "study.json")


def break_identity(values: dict[str, Any]) -> None:
    del values["identity"]


def break_recipe(values: dict[str, Any]) -> None:
    values["identity"]["recipes"] = [["plain"]]


def break_rows(values: dict[str, Any]) -> None:
    values["spec"] = None


@pytest.mark.parametrize("damage", [break_identity, break_recipe, break_rows])
def test_a_damaged_definition_is_refused(damage: Callable[[dict[str, Any]], None]) -> None:
    values = json.loads(json.dumps(define(["l2=0.01"]).to_dict()))
    damage(values)
    with pytest.raises(InputError, match=r"study: 'study\.json' is damaged"):
        Definition.from_dict(values, "study.json")


# ---- the user's own network ---------------------------------------------------------------------------


class Own(nn.Module):
    """A network whose description shows the address of a function."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, width), nn.Linear(width, 3)
        self.function = lambda x: x

    def extra_repr(self) -> str:
        return f"function={self.function!r}"

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.function(self.first(x)))  # type: ignore[no-any-return]


def test_the_structure_of_a_network_has_no_addresses() -> None:
    first, second = Own(), Own()
    assert repr(first) != repr(second)
    assert modules_of(first) == modules_of(second) != ""


def test_the_structure_of_a_network_depends_on_its_layers_and_not_on_its_weights() -> None:
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU())
    before = modules_of(net)
    nn.init.zeros_(net[0].weight)
    assert modules_of(net) == before
    assert (
        len({before, modules_of(nn.Sequential(nn.Linear(4, 8), nn.Tanh())), modules_of(Own()), modules_of(Own(9))}) == 4
    )
    assert modules_of("mlp:8") == ""


def test_a_folder_knows_the_users_network(iris: Dataset, quick: Training, two_folds: Protocol, tmp_path: Path) -> None:
    run_study(iris, Own(), ["l2=1e-2"], quick, protocol=two_folds, folder=tmp_path / "s")
    repeated = run_study(iris, Own(), ["l2=1e-2"], quick, protocol=two_folds, folder=tmp_path / "s")
    assert repeated.complete
    with pytest.raises(InputError, match="holds another study \\(another network\\)"):
        run_study(iris, Own(9), ["l2=1e-2"], quick, protocol=two_folds, folder=tmp_path / "s")


def test_the_definition_of_a_study_names_its_parts(iris: Dataset, quick: Training, two_folds: Protocol) -> None:
    study = run_study(iris, "mlp:4", ["l2=1e-2"], quick, protocol=two_folds)
    d = study.definition
    assert (d.name, d.data, d.network, d.metric) == ("iris", fingerprint(iris), "mlp:4", "accuracy")
    assert d.training.metric == "accuracy"  # in place of "auto"
    assert d.rows == {"train": 49, "stop": 15, "validation": 64, "test": 22}
    assert any(note.startswith("Duplicates: ") for note in d.notes)
