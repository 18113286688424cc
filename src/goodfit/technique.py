"""A technique is a frozen record of knobs; a knob is declared once and everything else follows."""

from __future__ import annotations

import dataclasses
import math
import numbers
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, dataclass_transform

from goodfit.errors import InputError, near
from goodfit.reference import Reference

Value = float | int | bool | str


@dataclass(frozen=True)
class Knob:
    """One adjustable number (or choice) of a record: bounds, text, search range, neutral value.

    The bounds give the error text and the invalid values that the contract tests try; `search`
    is the range (or the choices) that a study explores; `neutral` is the value with which training is
    bit-identical to training without the technique. `main` marks the knob that a recipe's `name=value` sets
    (the first with a neutral value where none is marked).
    """

    default: Value
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

    def rule(self) -> str:
        """The rule in words, for error texts and pages.

        >>> Knob(0.5, low=0, high=1, open_right=True).rule()
        'in [0, 1)'
        >>> Knob("min", choices=("min", "max")).rule()
        "one of 'min', 'max'"
        """
        if self.choices:
            return "one of " + ", ".join(f"'{c}'" for c in self.choices)
        if isinstance(self.default, bool):
            return "true or false"
        if isinstance(self.default, str):
            return "text"
        left = "(" if self.open_left or self.low == -math.inf else "["
        endless = self.high == math.inf and math.inf not in (self.default, self.neutral)
        right = ")" if self.open_right or endless else "]"
        whole = "a whole number " if isinstance(self.default, int) else ""
        return f"{whole}in {left}{self.low:g}, {self.high:g}{right}"

    def holds(self, value: object) -> bool:
        """Whether a value obeys the rule (of the right type, within bounds, not NaN)."""
        if self.choices:
            return value in self.choices
        if isinstance(self.default, bool | str):
            return type(value) is type(self.default)
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            return False
        if isinstance(self.default, int) and not isinstance(value, int):
            return False
        if math.isinf(value) and value not in (self.default, self.neutral):
            return False
        above = value > self.low if self.open_left else value >= self.low
        below = value < self.high if self.open_right else value <= self.high
        return above and below

    def invalid(self) -> list[object]:
        """Values that must be refused: beyond each bound and of a wrong type (used by the contract)."""
        wrong: list[object] = [None, [1]]
        if self.choices:
            return [*wrong, "no such choice"]
        if isinstance(self.default, bool | str):
            return [*wrong, 3.5]
        wrong += ["text", math.nan, True, -math.inf]
        if math.inf not in (self.default, self.neutral):
            wrong += [math.inf]
        if isinstance(self.default, int):
            wrong += [self.default + 0.5]
        if self.low > -math.inf:
            wrong += [self.low - 1] + ([self.low] if self.open_left else [])
        if self.high < math.inf:
            wrong += [self.high + 1] + ([self.high] if self.open_right else [])
        return wrong


def knob(default: Value, **rules: Any) -> Any:
    """Declare a knob as a dataclass field; the keywords are the fields of `Knob`, and `kw_only`."""
    kw_only = bool(rules.pop("kw_only", False))
    declared = Knob(default, **rules)
    return dataclasses.field(default=default, metadata={"knob": declared}, kw_only=kw_only)


@dataclass_transform(frozen_default=True, field_specifiers=(knob,))
class Record:
    """A frozen dataclass of knobs: every subclass becomes one, and checks its values when it is made."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        dataclass(frozen=True, repr=False)(cls)

    @classmethod
    def knobs(cls) -> dict[str, Knob]:
        """The knobs by name, in the order of declaration; those given by name only come last."""
        fields = getattr(cls, "__dataclass_fields__", {})
        declared = [f for f in fields.values() if "knob" in f.metadata]
        return {f.name: f.metadata["knob"] for f in sorted(declared, key=lambda f: bool(f.kw_only))}

    def __repr__(self) -> str:
        named = {n for n, f in self.__dataclass_fields__.items() if f.kw_only}  # type: ignore[attr-defined]
        shown = [n for n in self.knobs() if n not in named or n in self.changed()]
        return f"{type(self).__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in shown)})"

    def __post_init__(self) -> None:
        for name, knob_ in self.knobs().items():
            value = _plain(getattr(self, name), knob_.default)
            object.__setattr__(self, name, value)
            if not knob_.holds(value):
                raise InputError(f"{type(self).__name__}: {name} must be {knob_.rule()}, got {name}={value!r}.")

    def values(self) -> dict[str, Value]:
        """The values of all knobs, by name."""
        return {name: getattr(self, name) for name in self.knobs()}

    def changed(self) -> dict[str, Value]:
        """The values that differ from the defaults."""
        return {n: v for n, v in self.values().items() if v != self.knobs()[n].default}

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Build from a mapping; an unknown name is an error that lists near ones.

        Numbers without an end may be text, as JSON holds them ("inf").
        """
        for name in values:
            if name not in cls.knobs():
                raise InputError(f"{cls.__name__}: there is no knob '{name}'.{near(name, cls.knobs())}")
        unbounded = {n: float(v) for n, v in values.items() if v in ("inf", "-inf")}
        return cls(**{**values, **unbounded})

    def with_values(self, **values: Any) -> Self:
        """The same record with other values and without the checks.

        The trainers use it where a strength is the value of a schedule, or a tensor over the members of a
        population; a user's own numbers always go through the checks of the constructor.
        """
        twin = object.__new__(type(self))
        for name in self.__dataclass_fields__:  # type: ignore[attr-defined]
            object.__setattr__(twin, name, values.get(name, getattr(self, name)))
        return twin


def _plain(value: Any, default: Value) -> Any:
    """A number of any kind (NumPy's too) as Python's own, so that it prints and is stored as a number."""
    if isinstance(value, bool):
        return value
    if type(default) is float and isinstance(value, numbers.Real):
        return float(value)
    return int(value) if type(default) is int and isinstance(value, numbers.Integral) else value


class Technique(Record):
    """One way to regularize: knobs, plus pure functions on tensors. Its base class says where it acts."""

    references: ClassVar[tuple[Reference, ...]] = ()
    """The publications that the technique comes from."""
    aliases: ClassVar[tuple[str, ...]] = ()
    """Other names by which recipes may call it."""
    light: ClassVar[bool] = True
    """Whether its neutral form costs next to nothing, so that runs without it may be trained in one program with it."""
    alone: ClassVar[str] = ""
    """Why runs with it cannot be stacked into a population; empty where they can."""

    @classmethod
    def name(cls) -> str:
        """The name in recipes: that of the file the technique lives in.

        >>> from goodfit.techniques import Dropout
        >>> Dropout.name()
        'dropout'
        """
        return cls.__module__.rsplit(".", 1)[-1]

    @classmethod
    def strengths(cls) -> tuple[str, ...]:
        """The knobs that have a neutral value: with all of them there, the technique does nothing."""
        return tuple(name for name, k in cls.knobs().items() if k.neutral is not None)

    def idle(self) -> bool:
        """Whether every strength has its neutral value, so that it does nothing.

        >>> from goodfit.techniques import BatchNorm, Dropout
        >>> Dropout(0.0).idle(), Dropout(0.5).idle(), BatchNorm().idle()
        (True, False, False)
        """
        names = self.strengths()
        return bool(names) and all(getattr(self, name) == self.knobs()[name].neutral for name in names)

    @classmethod
    def main_knob(cls) -> str | None:
        """The knob that `name=value` sets in a recipe; none where there is no number to set."""
        marked = [name for name, k in cls.knobs().items() if k.main]
        return next(iter([*marked, *cls.strengths()]), None)

    @classmethod
    def stage(cls) -> str:
        """The stage it acts at, for instance `OnBatch`: the nearest base class named On…"""
        stages = [base.__name__ for base in cls.__mro__ if re.match(r"On[A-Z]", base.__name__)]
        return stages[-1] if stages else cls.__name__

    def text(self) -> str:
        """The technique as a recipe writes it; reads back to an equal one.

        >>> from goodfit.techniques import ElasticNet, Dropout
        >>> Dropout(rate=0.25).text(), ElasticNet(l1=1e-5, l2=1e-4).text()
        ('dropout=0.25', 'elastic_net(l1=1e-05, l2=0.0001)')
        """
        main, declared, changed = self.main_knob(), self.knobs(), self.changed()
        active = {n for n, k in declared.items() if k.neutral is not None and k.default != k.neutral}
        shown = [n for n in declared if n in changed or n in active]
        if not shown:
            return self.name()
        if main is not None and shown == [main]:
            return f"{self.name()}={getattr(self, main)!r}"
        return f"{self.name()}({', '.join(f'{n}={getattr(self, n)!r}' for n in shown)})"

    def to_dict(self) -> dict[str, Any]:
        """Plain data: the name and every knob."""
        return {"technique": self.name(), **self.values()}
