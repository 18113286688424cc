"""Checks of a technique as a record of knobs: names, texts, error messages, documentation."""

from __future__ import annotations

import dataclasses
import inspect
import math
import re
import warnings
from collections.abc import Callable
from typing import Any

from goodfit import registry
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.technique import Technique


def check_can_be_registered(technique: type[Technique]) -> None:
    """`goodfit.register` accepts the class: complete, with a valid name of its own."""
    try:
        with registry.registered(technique):
            other = registry.find(technique.name())
            assert other is technique, f"the name '{technique.name()}' finds another technique, {other.__name__}"
    except InputError as error:
        raise AssertionError(str(error)) from error


def check_every_knob_is_declared_in_full(technique: type[Technique]) -> None:
    """Every field is a knob with documentation, a valid default, and a unit if it is a number with a search range."""
    fields = {field.name for field in dataclasses.fields(technique)}
    assert fields == set(technique.knobs()), f"fields must be declared with knob(…), got {sorted(fields)}"
    for name, knob in technique.knobs().items():
        assert knob.doc, f"knob {name} needs doc=…"
        assert knob.holds(knob.default), f"knob {name} must be {knob.rule()}, got default={knob.default!r}"
        assert knob.neutral is None or knob.holds(knob.neutral), f"knob {name}: neutral={knob.neutral!r} is not allowed"
        outside = [value for value in knob.search if not knob.holds(value)]
        assert not outside, f"knob {name}: its search range contains values that are not allowed, got {outside}"
        positive = all(float(value) > 0 for value in knob.search)
        assert positive or not knob.log, f"knob {name}: with log=True the search range must be positive"
        is_number = isinstance(knob.default, int | float) and not isinstance(knob.default, bool)
        assert knob.unit or not (is_number and knob.search), f"knob {name} has a search range and needs unit=…"


def check_text_dict_and_yaml_read_back(technique: type[Technique]) -> None:
    """Recipe text, plain data and YAML read back to an equal technique."""
    for instance in _variants(technique):
        recipe = Recipe.of(instance)
        for form, restored in {
            "recipe text": Recipe.of(recipe.text()),
            "plain data": Recipe.from_list(recipe.to_list()),
            "YAML": Recipe.from_yaml(recipe.to_yaml()),
            "knob values": Recipe.of(technique.of(instance.values())),
        }.items():
            assert restored == recipe, f"{form} must read back to {recipe!r}, got {restored!r}"


def check_repr_evaluates_to_itself(technique: type[Technique]) -> None:
    """`repr` is Python code that creates an equal technique."""
    for instance in _variants(technique):
        names = {technique.__name__: technique, "inf": math.inf}
        copy = eval(repr(instance), names)
        assert copy == instance, f"repr must read back to an equal technique, got {instance!r}"


def check_frozen(technique: type[Technique]) -> None:
    """Knobs cannot be changed after construction; equal techniques have equal hashes."""
    instance = technique()
    for name in technique.knobs():
        try:
            setattr(instance, name, getattr(instance, name))
        except dataclasses.FrozenInstanceError:
            continue
        raise AssertionError(f"knob {name} must be read-only, but it can be set after construction")
    assert hash(instance) == hash(technique()), "equal techniques must have equal hashes"


def check_each_invalid_value_is_refused_in_words(technique: type[Technique]) -> None:
    """Every value that a knob does not allow raises an `InputError` which states rule and value in one line."""
    for name, knob in technique.knobs().items():
        assert knob.invalid(), f"knob {name}: there must be values that are not allowed"
        for value in knob.invalid():
            text = _refusal(f"{name}={value!r}", technique, **{name: value})
            start = f"{technique.__name__}: {name} must be {knob.rule()}, got {name}="
            assert text.startswith(start), f"the error for {name}={value!r} must start with '{start}', got '{text}'"
            # A whole number may be printed as 2.0.
            shown = repr(value) in text or str(float(value)) in text  # type: ignore[arg-type]
            assert shown, f"the error for {name}={value!r} must contain the value, got '{text}'"
            assert "\n" not in text, f"the error for {name}={value!r} must be one line, got '{text}'"


def check_each_bound_holds_on_its_own_side(technique: type[Technique]) -> None:
    """A closed bound is allowed, an open one is not."""
    for name, knob in technique.knobs().items():
        if isinstance(knob.default, str | bool):
            continue
        for bound, is_open in ((knob.low, knob.open_left), (knob.high, knob.open_right)):
            if not math.isfinite(bound):
                continue
            value = type(knob.default)(bound)
            assert knob.holds(value) != is_open, f"knob {name} must {'not ' * is_open}allow its bound {value!r}"
            if not is_open:
                kept = getattr(technique(**{name: value}), name)
                assert kept == value, f"knob {name} must keep {value!r}, got {kept!r}"


def check_unknown_knob_lists_near_ones(technique: type[Technique]) -> None:
    """A misspelt knob raises an `InputError` that suggests the right name."""
    for name in list(technique.knobs())[:1]:
        text = _refusal(f"the knob '{name}x'", technique.of, {name + "x": 1})
        suggestion = f"Did you mean '{name}'"
        assert text.startswith(technique.__name__), f"the error for an unknown knob must name the class, got '{text}'"
        assert suggestion in text, f"the error for the knob '{name}x' must contain {suggestion!r}, got '{text}'"


def check_documented(technique: type[Technique]) -> None:
    """The docstring starts with one sentence; references are recommended."""
    text = inspect.cleandoc(technique.__doc__ or "")
    summary = " ".join(text.split("\n\n")[0].split())
    is_sentence = summary.endswith(".") and not re.search(r"[a-z]{2,}\. [A-Z]", summary)
    assert is_sentence, f"the docstring must start with one sentence that ends with a full stop, got '{summary}'"
    if not technique.references:
        advice = "declare `references = (Reference(…),)`"
        warnings.warn(f"{technique.__name__}: it has no references; {advice}.", stacklevel=2)


def _variants(technique: type[Technique]) -> list[Technique]:
    """The defaults, and each knob at every value of its search range, its choices and its neutral value."""
    variants = [technique()]
    for name, knob in technique.knobs().items():
        values: list[Any] = [*knob.search, *knob.choices, knob.neutral, "bias 0.*" if name == "on" else None]
        values += [not knob.default] if isinstance(knob.default, bool) else []
        variants += [technique.of({name: value}) for value in values if value is not None]
    return variants


def _refusal(what: str, call: Callable[..., object], *arguments: Any, **named: Any) -> str:
    """The message of the `InputError` that a call must raise."""
    try:
        call(*arguments, **named)
    except InputError as error:
        return str(error)
    raise AssertionError(f"{what} must be refused with an InputError, but it is accepted")
