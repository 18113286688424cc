"""Parse Keras arguments from text, configs and objects; no code is run or imported."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from goodfit.errors import InputError, near
from goodfit.technique import Technique

KerasArguments = dict[str, Any]
Converter = Callable[[KerasArguments, str], list[Technique]]
"""(arguments of a Keras class, selector) → techniques."""


@dataclass(frozen=True)
class KerasClass:
    """A Keras class: its arguments in order with their defaults, and the function that converts them."""

    defaults: Mapping[str, Any]
    convert: Converter
    supported: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """Further arguments, and the values for which a technique exists."""


REQUIRED = object()
"""The default of a required argument."""
IGNORED = ("name", "dtype", "seed", "data_format", "verbose", "renorm_clipping", "renorm_momentum")
"""Arguments that do not change the result; the run determines seeds and memory layout."""
FLOAT32 = float(np.finfo(np.float32).max)


def parse_argument(value: Any, who: str, attributes: Iterable[str] = ()) -> tuple[str, list[Any], KerasArguments]:
    """The class name and the positional and keyword arguments of a text, config, class or object.

    `attributes` are read from objects without a config.

    Raises:
        InputError: the value is none of these.
    """
    kind = type(value).__name__
    if isinstance(value, str):
        return _parse(value, who)
    if isinstance(value, dict) and "class_name" in value and isinstance(value.get("config") or {}, dict):
        return str(value["class_name"]), [], dict(value.get("config") or {})
    if isinstance(value, type):
        return value.__name__, [], {}
    if hasattr(value, "get_config"):
        return kind, [], dict(value.get_config())
    if hasattr(value, "on_epoch_end"):  # callbacks have no config
        return kind, [], {name: attribute for name, attribute in vars(value).items() if name in attributes}
    raise InputError(f"{who}: it must be a name like 'l2', a call like 'l2(0.01)', or a Keras object, got {value!r}.")


def _parse(text: str, who: str) -> tuple[str, list[Any], KerasArguments]:
    try:
        node = ast.parse(text.strip(), mode="eval").body
        call = node if isinstance(node, ast.Call) else ast.Call(node, [], [])
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        args = [ast.literal_eval(value) for value in call.args]
        kwargs = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        name, args, kwargs = "", [], {}
    if not name:
        raise InputError(f"{who}: it must be text like 'l2' or 'l2(0.01)' with literal values, got '{text}'.")
    return name, args, kwargs


def bind_arguments(keras_class: KerasClass, who: str, args: Sequence[Any], kwargs: KerasArguments) -> KerasArguments:
    """All arguments of a class, with its defaults.

    Raises:
        InputError: an argument is unknown, missing or duplicate, or has a value for which no technique exists.
    """
    names = list(keras_class.defaults)
    if len(args) > len(names):
        raise InputError(
            f"{who}: it takes at most {len(names)} positional arguments, got {len(args)}; remove the last."
        )
    duplicates = set(names[: len(args)]) & set(kwargs)
    if duplicates:
        raise InputError(f"{who}: {min(duplicates)} must be passed only once, got it twice; remove one.")
    passed = {n: v for n, v in {**dict(zip(names, args, strict=False)), **kwargs}.items() if n not in IGNORED}
    for name, value in passed.items():
        allowed = (True,) if name == "trainable" else keras_class.supported.get(name)
        if allowed and not any(equal(value, other) for other in allowed):
            rule = " or ".join(map(repr, allowed)) + (", the only supported value" if len(allowed) == 1 else "")
            raise InputError(f"{who}: {name} must be {rule}, got {name}={value!r}; change it, or leave it out.")
        if allowed is None and name not in names:
            raise InputError(f"{who}: there is no argument '{name}'.{near(name, [*names, *keras_class.supported])}")
    bound = {**keras_class.defaults, **{n: _typed_number(v) for n, v in passed.items() if n in names}}
    if REQUIRED in bound.values():
        missing = next(n for n, v in bound.items() if v is REQUIRED)
        raise InputError(f"{who}: {missing} must be passed, got no value; add {missing}=….")
    return bound


def equal(value: Any, allowed: Any) -> bool:
    """Whether a value equals an allowed one; an initializer may be a name, a config or an object."""
    if isinstance(allowed, str) and value is not None:
        return parse_argument(value, "keras")[0].lower() == allowed
    plain = list(value) if isinstance(value, tuple) else value
    return type(plain) is type(allowed) and bool(plain == allowed)


def _typed_number(value: Any) -> Any:
    """A number as the user typed it, if Keras has rounded it to single precision.

    >>> _typed_number(0.009999999776482582), _typed_number(0.1)
    (0.01, 0.1)
    """
    if isinstance(value, float) and abs(value) < FLOAT32 and float(np.float32(value)) == value:
        return float(str(np.float32(value)))
    return value
