"""Records of knobs: each number or choice is declared once, with its bounds, unit and help text.

Techniques, `Training` and the options of `load` are such records; error messages, search ranges, command-line options
and pages are made from the declarations. This module imports nothing heavy.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Mapping
from dataclasses import dataclass
from types import NoneType
from typing import Any, ClassVar, Self, TypeAlias, dataclass_transform

from goodfit.errors import InputError, near

Value: TypeAlias = float | int | bool | str
"""The value of a technique's knob."""


@dataclass(frozen=True)
class Knob:
    """One adjustable number (or choice) of a record: bounds, help text, search range, neutral value.

    The bounds give the error message and the invalid values that the contract tests try. `search` is the range (or the
    choices) that a study explores. `neutral` is the value with which training is bit-identical to training without the
    technique. `main` marks the knob that a recipe's `name=value` sets (without it: the first that has a neutral
    value). `value_type` is `float`, `int`, `bool` or `str`; it must be given where the default is None, which is then
    allowed too. With `pair`, a pair of numbers is allowed.
    """

    default: Any
    low: float = -math.inf
    high: float = math.inf
    open_left: bool = False
    open_right: bool = False
    choices: tuple[str, ...] = ()
    search: tuple[Value, ...] = ()
    log: bool = False
    neutral: Value | None = None
    main: bool = False
    unit: str = ""
    doc: str = ""
    value_type: type = NoneType
    pair: bool = False

    def __post_init__(self) -> None:
        """Take the type of the values from the default where it is not declared."""
        if self.value_type is NoneType:
            object.__setattr__(self, "value_type", type(self.default))

    @property
    def optional(self) -> bool:
        """Whether None is allowed."""
        return self.default is None

    def rule(self) -> str:
        """The rule in words, for error messages and pages.

        >>> Knob(0.5, low=0, high=1, open_right=True).rule()
        'in [0, 1)'
        >>> Knob("min", choices=("min", "max")).rule()
        "one of 'min', 'max'"
        >>> Knob(None, value_type=int, low=1, pair=True).rule()
        'a whole number in [1, inf), two of these numbers, or None'
        """
        rules = [self._rule_of_one()]
        rules += ["two of these numbers"] if self.pair else []
        rules += ["None"] if self.optional else []
        return rules[0] if len(rules) == 1 else f"{', '.join(rules[:-1])}{',' * (len(rules) > 2)} or {rules[-1]}"

    def _rule_of_one(self) -> str:
        if self.choices:
            return "one of " + ", ".join(f"'{c}'" for c in self.choices)
        if self.value_type is bool:
            return "true or false"
        if self.value_type is str:
            return "text"
        left = "(" if self.open_left or self.low == -math.inf else "["
        endless = self.high == math.inf and math.inf not in (self.default, self.neutral)
        right = ")" if self.open_right or endless else "]"
        whole = "a whole number " if self.value_type is int else ""
        return f"{whole}in {left}{self.low:g}, {self.high:g}{right}"

    def holds(self, value: object) -> bool:
        """Whether a value obeys the rule: it has the right type, is within the bounds and is not NaN."""
        if value is None:
            return self.optional
        if self.pair and isinstance(value, tuple):
            return len(value) == 2 and all(self._holds_one(part) for part in value)
        return self._holds_one(value)

    def _holds_one(self, value: object) -> bool:
        if self.choices:
            return value in self.choices
        if self.value_type in (bool, str):
            return type(value) is self.value_type
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            return False
        if self.value_type is int and not isinstance(value, int):
            return False
        if math.isinf(value) and value not in (self.default, self.neutral):
            return False
        above = value > self.low if self.open_left else value >= self.low
        below = value < self.high if self.open_right else value <= self.high
        return above and below

    def invalid(self) -> list[object]:
        """Values that must be refused: beyond each bound and of a wrong type (used by the contract)."""
        wrong: list[object] = [[1]] if self.optional else [None, [1]]
        if self.choices:
            return [*wrong, "no such choice"]
        if self.value_type in (bool, str):
            return [*wrong, 3.5]
        wrong += ["text", math.nan, True, -math.inf]
        if math.inf not in (self.default, self.neutral):
            wrong += [math.inf]
        if self.value_type is int:
            wrong += [(self.default or 0) + 0.5]
        if self.low > -math.inf:
            wrong += [self.low - 1] + ([self.low] if self.open_left else [])
        if self.high < math.inf:
            wrong += [self.high + 1] + ([self.high] if self.open_right else [])
        return wrong


def knob(default: Value | None, **rules: Any) -> Any:
    """Declare a knob as a dataclass field; the keywords are the fields of `Knob`, and `kw_only`."""
    kw_only = bool(rules.pop("kw_only", False))
    declared = Knob(default, **rules)
    return dataclasses.field(default=default, metadata={"knob": declared}, kw_only=kw_only)


@dataclass_transform(frozen_default=True, field_specifiers=(knob,))
class Record:
    """A frozen dataclass of knobs: every subclass becomes one, and checks its values when it is created."""

    _knobs: ClassVar[dict[str, Knob]] = {}

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclass(frozen=True, repr=False)(cls)
        declared = [f for f in cls.__dataclass_fields__.values() if "knob" in f.metadata]  # type: ignore[attr-defined]
        cls._knobs = {f.name: f.metadata["knob"] for f in sorted(declared, key=lambda f: bool(f.kw_only))}

    @classmethod
    def knobs(cls) -> dict[str, Knob]:
        """The knobs by name, in the order of declaration; keyword-only ones come last."""
        return dict(cls._knobs)

    def __repr__(self) -> str:
        named = {n for n, f in self.__dataclass_fields__.items() if f.kw_only}  # type: ignore[attr-defined]
        shown = [n for n in self.knobs() if n not in named or n in self.changed()]
        return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in shown)})"

    def __post_init__(self) -> None:
        for name, knob_ in self.knobs().items():
            value = _plain(getattr(self, name), knob_)
            object.__setattr__(self, name, value)
            if not knob_.holds(value):
                raise InputError(f"{type(self).__name__}: {name} must be {knob_.rule()}, got {name}={value!r}.")

    def values(self) -> dict[str, Any]:
        """The values of all knobs, by name."""
        return {name: getattr(self, name) for name in self.knobs()}

    def changed(self) -> dict[str, Any]:
        """The values that differ from the defaults."""
        return {n: v for n, v in self.values().items() if v != self.knobs()[n].default}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Build from a mapping; an unknown name is an error that lists near ones.

        Infinite numbers may be text, as JSON stores them ("inf").

        Raises:
            InputError: a name is unknown, or a value breaks the rule of its knob.
        """
        for name in values:
            if name not in cls.knobs():
                raise InputError(f"{cls.__name__}: there is no knob '{name}'.{near(name, cls.knobs())}")
        unbounded = {n: float(v) for n, v in values.items() if v in ("inf", "-inf")}
        return cls(**{**values, **unbounded})

    def with_values(self, **values: Any) -> Self:
        """The same record with other values and without the checks.

        The trainers use it where a strength is the value of a schedule, or a tensor over the members of a population.
        Numbers that users give always pass the checks of the constructor.

        Raises:
            InputError: there is no field of this name.
        """
        fields = self.__dataclass_fields__  # type: ignore[attr-defined]
        if unknown := values.keys() - fields.keys():
            raise InputError(f"{type(self).__name__}: there is no knob '{min(unknown)}'.{near(min(unknown), fields)}")
        twin = object.__new__(type(self))
        for name in fields:
            object.__setattr__(twin, name, values.get(name, getattr(self, name)))
        return twin


def _plain(value: Any, knob_: Knob) -> Any:
    """A number of any type (NumPy's too) as Python's own, so that it prints and is stored as a number."""
    if isinstance(value, bool):
        return value
    if knob_.pair and isinstance(value, tuple | list):
        return tuple(_plain(part, knob_) for part in value)
    if knob_.value_type is float and isinstance(value, numbers.Real):
        return float(value)
    return int(value) if knob_.value_type is int and isinstance(value, numbers.Integral) else value
