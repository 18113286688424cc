"""Every technique that recipes know by name: the catalogue, and those that users register."""

from __future__ import annotations

import inspect
import keyword
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from goodfit import stages
from goodfit.errors import InputError, near
from goodfit.technique import Technique
from goodfit.techniques import ALL

T = TypeVar("T", bound=type[Technique])
BASES = (
    stages.OnSample,
    *(stages.Augmentation, stages.BatchTransform, stages.Attack, stages.HiddenMix),
    *(stages.Noise, stages.BranchNoise, stages.WeightPerturbation, stages.Recurrent, stages.Normalization),
    *(stages.OnLoss, stages.OnGrads),
    *(
        stages.ProximalPenalty,
        stages.QuadraticPenalty,
        stages.SmoothPenalty,
        stages.Decay,
        stages.Scaling,
        stages.Projection,
    ),
    *(stages.AveragedWeights, stages.Ensemble),
    stages.OnEpoch,
)
"""The classes that the trainers apply; a technique that derives from none of them has no effect."""

_registered: dict[str, type[Technique]] = {}


def register(technique: T) -> T:
    """Register a technique of your own, as a class decorator; returns the class.

    Recipe texts, YAML files, saved runs, studies and the command line then know it by `technique.name()`. Registering
    the same class again (a notebook cell that runs twice) replaces the earlier one.

    >>> import torch
    >>> from goodfit import Recipe
    >>> from goodfit.stages import SmoothPenalty, selector
    >>> from goodfit.technique import knob
    >>> @register
    ... class CubicPenalty(SmoothPenalty):
    ...     \"\"\"Adds strength · Σ|w|³ to the cost.\"\"\"
    ...     strength: float = knob(1e-4, low=0, neutral=0.0, doc="weight of Σ|w|³")
    ...     on: str = selector()
    ...     def value(self, w: torch.Tensor) -> torch.Tensor:
    ...         return self.strength * w.abs().pow(3).sum()
    ...     def gradient(self, w: torch.Tensor) -> torch.Tensor:
    ...         return 3 * self.strength * w * w.abs()
    >>> Recipe.of("cubic_penalty=0.01, dropout=0.5").techniques[0]
    CubicPenalty(strength=0.01, on='kernel')
    >>> unregister(CubicPenalty)

    Raises:
        InputError: not a complete technique, or its name belongs to another one.
    """
    _check_class(technique)
    others = {name: known for name, known in _registered.items() if _origin(known) != _origin(technique)}
    known_names = _by_plain_name(ALL | others)
    for name in (technique.name(), *technique.aliases):
        other = known_names.get(_plain(name))
        if other is not None and other is not technique:
            raise InputError(
                f"register: the name '{name}' belongs to {_origin(other)}, got {_origin(technique)}; "
                "rename your class, or override name()."
            )
    if ALL.get(technique.name()) is not technique:
        _replace(others | {technique.name(): technique})
    return technique


def unregister(technique: type[Technique]) -> None:
    """Forget a registered technique; nothing happens if it is not registered."""
    _replace({name: known for name, known in _registered.items() if known is not technique})


@contextmanager
def registered(technique: type[Technique]) -> Iterator[None]:
    """Register a technique inside a `with` block, unless its name finds it already.

    Raises:
        InputError: it cannot be registered; see `register`.
    """
    if technique in all_techniques().values():
        yield
        return
    before = dict(_registered)
    register(technique)
    try:
        yield
    finally:
        _replace(before)


def all_techniques() -> dict[str, type[Technique]]:
    """Name → technique: the catalogue in alphabetical order, then the registered ones in the order of registration."""
    return ALL | _registered


def is_registered(technique: type[Technique]) -> bool:
    """Whether a user registered this class (techniques of the catalogue need no registration)."""
    return technique in _registered.values()


def find(name: str) -> type[Technique]:
    """The technique of a name; capitals, hyphens and underscores do not matter.

    >>> find("MixUp").__name__, find("weight-decay").__name__
    ('MixUp', 'WeightDecay')

    Raises:
        InputError: no technique has this name.
    """
    techniques = all_techniques()
    technique = _by_plain_name(techniques).get(_plain(name))
    if technique is None and _plain(name) == "customtransform":
        raise InputError(
            "custom_transform: a recipe's text cannot contain a function; pass CustomTransform(…) in Python."
        )
    if technique is None:
        hint = near(name, techniques)
        own = "" if "Did you mean" in hint else " Register your own technique with goodfit.register or --import MODULE."
        raise InputError(f"recipe: there is no technique '{name}'.{hint}{own}")
    return technique


def check_names(names: Iterable[str], source: object) -> None:
    """Check that all techniques named in a file are known.

    Raises:
        InputError: one is not; the message says how to register it.
    """
    known = _by_plain_name(all_techniques())
    for name in names:
        if _plain(name) not in known:
            raise InputError(
                f"'{source}': technique '{name}' is not registered; import the module that registers it before "
                "load_run, or use --import MODULE."
            )


def _replace(techniques: dict[str, type[Technique]]) -> None:
    _registered.clear()
    _registered.update(techniques)


def _check_class(technique: type[Technique]) -> None:
    is_technique = isinstance(technique, type) and issubclass(technique, BASES)
    if not is_technique or technique.__module__.startswith("goodfit.stages"):
        bases = ", ".join(base.__name__ for base in BASES)
        raise InputError(f"register: a technique must be a class derived from one of {bases}, got {technique!r}.")
    who = technique.__name__
    if inspect.isabstract(technique):
        members = inspect.getmembers(technique)
        missing = ", ".join(name for name, member in members if getattr(member, "__isabstractmethod__", False))
        raise InputError(f"register: {who} must implement every method of its stage, got none for: {missing}.")
    name = technique.name()
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or keyword.iskeyword(name):
        raise InputError(f"register: the name of {who} must be like my_technique, got name='{name}'; override name().")
    try:
        technique()
    except TypeError as error:
        rule = f"{who}() must work without arguments"
        raise InputError(f"register: {rule}; give each knob a default ({error}).") from error


def _plain(name: str) -> str:
    return re.sub(r"[_-]", "", name.lower())


def _by_plain_name(techniques: dict[str, type[Technique]]) -> dict[str, type[Technique]]:
    """Techniques by their names and aliases, without hyphens and underscores."""
    return {_plain(alias): t for name, t in techniques.items() for alias in (name, *t.aliases)}


def _origin(technique: type[Technique]) -> str:
    return f"{technique.__module__}.{technique.__qualname__}"
