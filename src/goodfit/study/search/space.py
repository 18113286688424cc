"""`Space`: the techniques, strengths and training settings among which a study searches."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from goodfit.errors import InputError, near
from goodfit.knobs import Knob
from goodfit.recipe import Recipe, parse_yaml, read_text
from goodfit.registry import all_techniques, find
from goodfit.study.candidates import Candidate
from goodfit.study.search.axes import Axis, Choices, Range, Setting, technique_names
from goodfit.technique import Technique
from goodfit.train.config import Training

TYPICAL = 4
"""Techniques that are on in a random recipe of a large space, on average."""
MOST_ON = 0.5
"""In a small space, the share of recipes in which a technique is on."""
FIXED = ("loss", "metric")
"""Training settings that a study does not search: scores with different ones cannot be compared."""
COSTLY = ("epochs", "batch_size")
"""Training settings whose ranges are not widened, because they change the time of a fit."""
EXCLUSIVE = (("batch_norm", "ema"),)
"""If the first is on, the second is off: together they cannot be trained in a population."""

Ranges = Mapping[str, Any]


class Space:
    """The ranges of a search: techniques that are on or off, their strengths, and training settings.

    Args:
        ranges: the range of each technique (its main knob), of a knob (`dropout.input_rate`) or of a training setting
            (`learning_rate`, `schedule`, `epochs`, …). A range is a pair of numbers; a list of other length or of
            texts, or `{"choices": […]}`, are choices; a single value is fixed; True is a technique at its defaults. A
            technique can always be off. The scale of a knob is logarithmic where the knob is declared so.
        widen: whether a search may widen a range when the best value is at its edge.

    >>> Space({"dropout": (0.1, 0.8), "batch_norm": True, "schedule": ["constant", "cosine"]})
    Space(dropout.rate: 0.1 to 0.8, batch_norm: True, schedule: constant, cosine)

    Raises:
        InputError: a name is unknown, a value breaks the rule of its knob, or a range contains no valid value.
    """

    def __init__(self, ranges: Ranges, widen: bool = False) -> None:
        if not isinstance(ranges, Mapping) or not ranges:
            raise InputError(f'space: it must be a mapping such as {{"dropout": (0.1, 0.8)}}, got {ranges!r}.')
        declared = [_declare(str(name), value) for name, value in ranges.items()]
        names = [axis.name for axis in declared]
        if twice := [name for name in names if names.count(name) > 1]:
            raise InputError(f"space: a knob must have one range, got two of {twice[0]}; keep one.")
        strengths = sum(_can_be_off(axis) for axis in declared)
        off = max(MOST_ON, 1 - TYPICAL / max(1, strengths))
        for axis in declared:
            if axis.owner and not any(_can_be_off(other) for other in declared if other.owner == axis.owner):
                main = find(axis.owner).main_knob()
                raise InputError(
                    f"space: {axis.name} needs a range of {axis.owner} itself, got none; add {axis.owner}"
                    f"{f' (its {main})' if main else ': true'}."
                )
        self.widen = widen
        self.axes = tuple(dataclasses.replace(axis, off=off) if _can_be_off(axis) else axis for axis in declared)

    @classmethod
    def load(cls, file: str | Path) -> Space:
        """Read a space from a YAML file: a mapping of names to ranges.

        Raises:
            InputError: there is no such file, or it holds no space.
        """
        return cls(parse_yaml(read_text(file, "space", "a YAML file"), "space"))

    def __repr__(self) -> str:
        return f"Space({', '.join(f'{axis.name}: {axis.scale}' for axis in self.axes)})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and self.axes == other.axes

    def __hash__(self) -> int:
        return hash(self.axes)

    @property
    def techniques(self) -> list[str]:
        """The names of the techniques, in the order in which they act in a recipe."""
        return technique_names(self.axes)

    def to_list(self) -> list[list[str]]:
        """Names and ranges as texts."""
        return [[axis.name, str(axis.scale)] for axis in self.axes]

    def restricted(self, techniques: Iterable[str]) -> Space:
        """The space with only some of the techniques; the training settings stay."""
        kept = set(techniques)
        return self._with(axis for axis in self.axes if not axis.owner or axis.owner in kept)

    def axis(self, name: str) -> Axis:
        """The axis of this name."""
        return next(axis for axis in self.axes if axis.name == name)

    def around(self, candidate: Candidate, training: Training) -> Space:
        """The space with wider ranges, so that no number of a candidate is at the edge of its range or beyond it.

        A range does not leave the bounds of its knob, and that of a strength is not widened towards no effect.

        >>> space = Space({"l2": (1e-4, 1e-2)}, widen=True)
        >>> space.around(Candidate.of(Recipe.of("l2=9e-3"), Training(), Training()), Training())
        Space(l2.l2: 0.0001 to 0.04)
        """
        if not self.widen:
            return self
        own = {technique.name(): technique for technique in candidate.recipe}
        values = {**candidate.settings(training).values()}
        widened = []
        for axis in self.axes:
            source = own.get(axis.owner) if axis.owner else None
            value = getattr(source, axis.knob, None) if axis.owner else values[axis.knob]
            neutral = source.knobs()[axis.knob].neutral if source and axis.knob else None
            scale = axis.scale
            if isinstance(scale, Range) and value is not None and value != neutral:
                upward, downward = True, True
                if isinstance(neutral, int | float):
                    upward, downward = neutral <= scale.low, neutral >= scale.high
                scale = scale.around(value, upward, downward)
            widened.append(dataclasses.replace(axis, scale=scale))
        return self._with(widened)

    def widenings(self, other: Space) -> list[str]:
        """In words, which ranges another space has that differ from those of this one."""
        pairs = zip(self.axes, other.axes, strict=True)
        return [f"{own.name} from {own.scale} to {new.scale}" for own, new in pairs if own.scale != new.scale]

    def _with(self, axes: Iterable[Axis]) -> Space:
        space = object.__new__(Space)
        space.axes, space.widen = tuple(axes), self.widen
        return space

    def single(self, axis: Axis, value: Setting) -> Recipe:
        """The recipe with one technique alone, whose other strengths in the space are neutral."""
        values: dict[Axis, Setting | None] = dict.fromkeys(self._own(axis.owner)) | {axis: value}
        return Recipe((self._technique(axis.owner, values),))

    # ---- positions and candidates -----------------------------------------------------------------------

    def candidate(self, positions: Sequence[float], training: Training) -> Candidate:
        """The recipe and settings at a position on every axis; `training` has the settings that are not searched."""
        values = {axis: axis.value(p) for axis, p in zip(self.axes, positions, strict=True)}
        on = [name for name in self.techniques if self._is_on(name, values)]
        for first, second in EXCLUSIVE:
            if first in on and second in on:
                on.remove(second)
        recipe = Recipe(tuple(self._technique(name, values) for name in on))
        settings = {axis.knob: v for axis, v in values.items() if not axis.owner}
        return Candidate.of(recipe, Training.of(training.values() | settings), training)

    def positions(self, candidate: Candidate, training: Training) -> list[float] | None:
        """Positions of a recipe with its settings; None if it is not in the space."""
        own = {technique.name(): technique for technique in candidate.recipe}
        if len(own) < len(candidate.recipe) or not own.keys() <= set(self.techniques):
            return None
        settings = candidate.training or training
        positions = [self._position(axis, own.get(axis.owner), settings) for axis in self.axes]
        placed = [p for p in positions if p is not None]
        if len(placed) < len(positions):
            return None
        nearest = self.candidate(placed, training)
        same = nearest.recipe == candidate.recipe and nearest.settings(training) == settings
        return placed if same else None

    def _position(self, axis: Axis, technique: Technique | None, training: Training) -> float | None:
        if not axis.owner:
            return axis.position(getattr(training, axis.knob))
        if technique is None:
            return axis.position(None) if axis.off else 0.0
        if not axis.knob:
            return axis.position(True)
        value = getattr(technique, axis.knob)
        return axis.position(None if value == technique.knobs()[axis.knob].neutral else value)

    def _own(self, name: str) -> list[Axis]:
        return [axis for axis in self.axes if axis.owner == name]

    def _is_on(self, name: str, values: Mapping[Axis, Setting | None]) -> bool:
        return any(values[axis] is not None for axis in self._own(name) if axis.off)

    def _technique(self, name: str, values: Mapping[Axis, Setting | None]) -> Technique:
        kind, knobs = find(name), {}
        for axis in self._own(name):
            if axis.knob:
                value = values[axis]
                knobs[axis.knob] = kind.knobs()[axis.knob].neutral if value is None else value
        return kind.of(knobs)


def _can_be_off(axis: Axis) -> bool:
    """Whether an axis decides that its technique is on: it is a strength, or the technique has none."""
    if not axis.owner:
        return False
    kind = find(axis.owner)
    return not axis.knob or axis.knob in kind.strengths() or (not kind.strengths() and axis.knob == kind.main_knob())


def _declare(name: str, value: Any) -> Axis:
    """An axis from a name and a range as users write them."""
    owner, knob, rule = _find_knob(name)
    if rule is None:
        if value is not True:
            raise InputError(f"space: {name} has no strength and must be true, got {name}: {value!r}.")
        return Axis(owner, "", Choices((True,)))
    if value is True and owner:
        return Axis(owner, knob, Choices((_checked(name, rule, rule.default),)))
    return Axis(owner, knob, _scale(name, rule, value))


def _find_knob(name: str) -> tuple[str, str, Knob | None]:
    """Technique, knob and its rule; the technique is "" for a training setting."""
    settings = {n: k for n, k in Training.knobs().items() if n not in FIXED}
    if name in settings:
        return "", name, settings[name]
    owner, _, knob = name.partition(".")
    if owner not in all_techniques():
        known = [*settings, *all_techniques()]
        raise InputError(f"space: there is no technique or training setting '{owner}'.{near(owner, known)}")
    knobs = find(owner).knobs()
    knob = knob or find(owner).main_knob() or ""
    if knob and knob not in knobs:
        raise InputError(f"space: {owner} has no knob '{knob}'.{near(knob, knobs)}")
    return owner, knob, knobs[knob] if knob else None


def _scale(name: str, rule: Knob, value: Any) -> Range | Choices:
    listed = value.get("choices") if isinstance(value, Mapping) else None
    if listed is not None or isinstance(value, str | bool) or not isinstance(value, Sequence):
        values = listed if listed is not None else [value]
        return _choices(name, rule, values)
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in value)
    if len(value) != 2 or not numbers or rule.value_type not in (int, float):
        return _choices(name, rule, value)
    low, high = (_checked(name, rule, end) for end in value)
    if low >= high:
        raise InputError(f"space: the range of {name} must go from low to high, got {low:g} to {high:g}.")
    if rule.log and low <= 0:
        raise InputError(
            f"space: the range of {name} must begin above 0, because its scale is logarithmic, got {low:g}; a "
            "technique can be off in any case."
        )
    least = rule.low + 0.01 * (low - rule.low) if rule.open_left else rule.low
    bounded = rule.open_right and math.isfinite(rule.high)
    most = rule.high - 0.01 * (rule.high - high) if bounded else rule.high
    if name in COSTLY:
        least, most = low, high
    return Range(low, high, rule.log, rule.value_type is int, least, most)


def _choices(name: str, rule: Knob, values: Any) -> Choices:
    if not isinstance(values, Sequence) or isinstance(values, str) or not len(values):
        raise InputError(f"space: {name} must have a range or a list of values, got {values!r}.")
    return Choices(tuple(dict.fromkeys(_checked(name, rule, value) for value in values)))


def _checked(name: str, rule: Knob, value: Any) -> Any:
    if rule.value_type is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not rule.holds(value):
        raise InputError(f"space: {name} must be {rule.rule()}, got {value!r}.")
    return value
