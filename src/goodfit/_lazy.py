"""Names of a package that are imported when they are first used, so that importing the package is quick."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any


def lazy(package: str, modules: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """The functions `__getattr__` and `__dir__` of a package whose names are imported on first use.

    Args:
        package: the package's `__name__`.
        modules: name → the module in which it is defined, relative to the package; a name that equals its module
            is the module itself (`{"models": "models"}`).

    >>> load, names = lazy("goodfit", {"InputError": "errors", "errors": "errors"})
    >>> load("InputError").__name__, load("errors").__name__, names()
    ('InputError', 'goodfit.errors', ['InputError', 'errors'])
    """

    def get(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(f"{package}.{modules[name]}")
        return module if modules[name] == name else getattr(module, name)

    return get, lambda: list(modules)
