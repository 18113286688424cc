"""What every technique promises as a record: text, errors, documentation, a test of its own."""

from __future__ import annotations

import dataclasses
import math
import re
from pathlib import Path

import pytest

import goodfit
from goodfit import techniques
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.technique import Technique

TESTS = Path(__file__).resolve().parents[1] / "techniques"
SOURCES = Path(goodfit.__file__).parent / "techniques"


def variants(technique: type[Technique]) -> list[Technique]:
    """The defaults, and each knob at every value of its search range, its choices and its neutral value."""
    made = [technique()]
    for name, knob in technique.knobs().items():
        values = [*knob.search, *knob.choices, knob.neutral, "bias 0.*" if name == "on" else None]
        values += [not knob.default] if isinstance(knob.default, bool) else []
        made += [technique.of({name: value}) for value in values if value is not None]
    return made


def test_text_dict_and_yaml_read_back(technique: type[Technique]) -> None:
    for instance in variants(technique):
        recipe = Recipe.of(instance)
        assert Recipe.of(recipe.text()) == recipe
        assert Recipe.from_list(recipe.to_list()) == recipe
        assert Recipe.from_yaml(recipe.to_yaml()) == recipe
        assert technique.of(instance.values()) == instance


def test_repr_evaluates_to_itself(technique: type[Technique]) -> None:
    for instance in variants(technique):
        names = {technique.__name__: technique, "inf": math.inf}
        assert eval(repr(instance), names) == instance


def test_frozen(technique: type[Technique]) -> None:
    instance = technique()
    for name in technique.knobs():
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(instance, name, getattr(instance, name))
    assert hash(instance) == hash(technique())


def test_each_invalid_value_is_refused_in_words(technique: type[Technique]) -> None:
    for name, knob in technique.knobs().items():
        assert knob.invalid()
        for value in knob.invalid():
            with pytest.raises(InputError) as raised:
                technique(**{name: value})
            said = str(raised.value)
            assert said.startswith(f"{technique.__name__}: {name} must be {knob.rule()}, got {name}=")
            assert repr(value) in said or str(float(value)) in said  # a whole number may show as 2.0
            assert "\n" not in said


def test_each_bound_holds_on_its_own_side(technique: type[Technique]) -> None:
    for name, knob in technique.knobs().items():
        if isinstance(knob.default, str | bool):
            continue
        for bound, is_open in ((knob.low, knob.open_left), (knob.high, knob.open_right)):
            if math.isfinite(bound):
                value = type(knob.default)(bound)
                assert knob.holds(value) != is_open
                assert is_open or getattr(technique(**{name: value}), name) == value


def test_unknown_knob_lists_near_ones(technique: type[Technique]) -> None:
    name = next(iter(technique.knobs()))
    with pytest.raises(InputError, match=f"Did you mean '{name}'") as raised:
        technique.of({name + "x": 1})
    assert str(raised.value).startswith(technique.__name__)


def test_every_knob_is_declared_in_full(technique: type[Technique]) -> None:
    fields = {f.name for f in dataclasses.fields(technique)}
    assert fields == set(technique.knobs())  # no field that is not a knob: nothing unchecked
    for knob in technique.knobs().values():
        assert knob.doc
        assert knob.holds(knob.default)
        assert knob.neutral is None or knob.holds(knob.neutral)
        assert all(knob.holds(value) for value in knob.search)
        if knob.log:
            assert min(knob.search) > 0
        if isinstance(knob.default, int | float) and not isinstance(knob.default, bool) and knob.search:
            assert knob.unit


def test_documented(technique: type[Technique]) -> None:
    text = technique.__doc__ or ""
    for part in ("Formula: ", "Shape: ", "Helps when: ", "Hurts when: ", ">>> "):
        assert part in text, part
    assert technique.references
    first = text.splitlines()[0]
    assert first.endswith(".")
    assert not re.search(r"[a-z]{2,}\. [A-Z]", first)  # one sentence


def test_has_a_test_file_of_its_own(technique: type[Technique]) -> None:
    stage = technique.__module__.split(".")[-2]
    assert (TESTS / stage / f"test_{technique.name()}.py").is_file()


def test_every_file_is_in_the_catalogue() -> None:
    files = {path.stem for path in SOURCES.glob("*/*.py") if not path.stem.startswith("_")}
    assert files == set(techniques.ALL)
    assert {t.__name__ for t in techniques.ALL.values()} <= set(techniques.__all__)
