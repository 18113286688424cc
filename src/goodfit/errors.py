"""Errors that users can correct. Messages say who complains, the rule, the value and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """An argument, option or file is not valid; the message is one line with the remedy.

    The command line prints it without a traceback and exits with code 2.
    """


class NetworkNeeded(InputError):  # noqa: N818
    """A saved run has a network of the user's own, which the caller must pass."""


class TrainingError(RuntimeError):
    """Training cannot produce a usable result; the message says where it failed and what to try."""


class MissingExtra(ImportError):  # noqa: N818
    """An optional dependency is missing; the message names the extra that installs it."""


def first_line(error: BaseException) -> str:
    """The first line of another error's message, or the name of its class if it has none.

    >>> first_line(ValueError("no such file\\ndetails")), first_line(KeyboardInterrupt())
    ('no such file', 'KeyboardInterrupt')
    """
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def near(name: str, names: Iterable[str]) -> str:
    """The end of an error message: suggestions for a misspelt name, or else the known names.

    >>> near("droput", ["dropout", "l2"])
    " Did you mean 'dropout'?"
    >>> near("zzz", ["dropout", "l2"])
    ' Known: dropout, l2.'
    """
    known = sorted(set(names))
    close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.6)
    if close:
        ratios = [difflib.SequenceMatcher(None, c, name.lower()).ratio() for c in close]
        close = [c for c, ratio in zip(close, ratios, strict=True) if ratio > max(ratios) - 0.1]
        return " Did you mean " + " or ".join(f"'{c}'" for c in close) + "?"
    shown = ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
    return f" Known: {shown}." if known else ""
