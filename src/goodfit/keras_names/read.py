"""What Keras users write, taken apart: text, configs and objects; nothing is run or imported."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from goodfit.errors import InputError, near
from goodfit.technique import Technique

Settings = dict[str, Any]
Make = Callable[[Settings, str], list[Technique]]
"""(settings, selector) → techniques."""


@dataclass(frozen=True)
class Known:
    """A Keras class: its arguments in order with their defaults, and what becomes of them."""

    defaults: Mapping[str, Any]
    make: Make
    only: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Further arguments, and the values at which they have a counterpart."""


NEEDED = object()
"""The default of an argument that must be given."""
IGNORED = ("name", "dtype", "seed", "data_format", "verbose", "renorm_clipping", "renorm_momentum")
"""Arguments that have nothing to do with what is computed (draws and layouts are the run's own)."""
FLOAT32 = float(np.finfo(np.float32).max)


def read(given: Any, who: str, watched: Iterable[str] = ()) -> tuple[str, list[Any], Settings]:
    """The class's name, its values in order and its named ones: from text, a config, a class or an object.

    `watched` are the arguments to look for in an object that has no config.
    """
    kind = type(given).__name__
    if isinstance(given, str):
        return _parse(given, who)
    if isinstance(given, dict) and "class_name" in given and isinstance(given.get("config") or {}, dict):
        return str(given["class_name"]), [], dict(given.get("config") or {})
    if isinstance(given, type):
        return given.__name__, [], {}
    if hasattr(given, "get_config"):
        return kind, [], dict(given.get_config())
    if hasattr(given, "on_epoch_end"):  # callbacks have no config
        return kind, [], {name: value for name, value in vars(given).items() if name in watched}
    raise InputError(f"{who}: it must be a name like 'l2', a call like 'l2(0.01)', or Keras' own, got {given!r}.")


def _parse(text: str, who: str) -> tuple[str, list[Any], Settings]:
    try:
        node = ast.parse(text.strip(), mode="eval").body
        call = node if isinstance(node, ast.Call) else ast.Call(node, [], [])
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        values = [ast.literal_eval(value) for value in call.args]
        named = {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        name, values, named = "", [], {}
    if not name:
        raise InputError(f"{who}: it must be written like 'l2' or 'l2(0.01)', with plain values, got '{text}'.")
    return name, values, named


def bind(known: Known, who: str, values: Sequence[Any], named: Settings) -> Settings:
    """All settings of a class, with its defaults; what has no counterpart is an error."""
    names = list(known.defaults)
    if len(values) > len(names):
        raise InputError(f"{who}: it takes {len(names)} values at most, got {len(values)}.")
    twice = set(names[: len(values)]) & set(named)
    if twice:
        raise InputError(f"{who}: {min(twice)} is given twice; keep one.")
    given = {n: v for n, v in {**dict(zip(names, values, strict=False)), **named}.items() if n not in IGNORED}
    for name, value in given.items():
        allowed = (True,) if name == "trainable" else known.only.get(name)
        if allowed and not any(same(value, one) for one in allowed):
            raise InputError(f"{who}: {name} must be {allowed[0]!r}, other values have no counterpart, got {value!r}.")
        if allowed is None and name not in names:
            raise InputError(f"{who}: there is no argument '{name}'.{near(name, [*names, *known.only])}")
    full = {**known.defaults, **{n: _short(v) for n, v in given.items() if n in names}}
    if NEEDED in full.values():
        raise InputError(f"{who}: {next(n for n, v in full.items() if v is NEEDED)} must be given.")
    return full


def same(value: Any, allowed: Any) -> bool:
    """Whether a value is the allowed one; that of an initializer may be its name, config or object."""
    if isinstance(allowed, str) and value is not None:
        return read(value, "keras")[0].lower() == allowed
    plain = list(value) if isinstance(value, tuple) else value
    return type(plain) is type(allowed) and bool(plain == allowed)


def _short(value: Any) -> Any:
    """A number as it was typed, where Keras kept it in single precision.

    >>> _short(0.009999999776482582), _short(0.1)
    (0.01, 0.1)
    """
    if isinstance(value, float) and abs(value) < FLOAT32 and float(np.float32(value)) == value:
        return float(str(np.float32(value)))
    return value
