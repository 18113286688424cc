"""Errors that a user can mend: who, the rule, the value, the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Something the user gave does not fit; the message is one line with the remedy.

    The command line prints it without a traceback and exits with code 2.
    """


class TrainingError(RuntimeError):
    """Training could not produce a usable result; the message says where and what to try."""


class MissingExtra(ImportError):  # noqa: N818
    """An optional dependency is needed; the message names the extra that installs it."""


def near(name: str, names: Iterable[str]) -> str:
    """The tail of an error text that lists names close to a misspelt one.

    >>> near("droput", ["dropout", "l2"])
    " Did you mean 'dropout'?"
    >>> near("zzz", ["dropout", "l2"])
    ' Known: dropout, l2.'
    """
    known = sorted(set(names))
    close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.6)
    if close:
        alike = [difflib.SequenceMatcher(None, c, name.lower()).ratio() for c in close]
        close = [c for c, ratio in zip(close, alike, strict=True) if ratio > max(alike) - 0.1]
        return " Did you mean " + " or ".join(f"'{c}'" for c in close) + "?"
    shown = ", ".join(known[:20]) + (", …" if len(known) > 20 else "")
    return f" Known: {shown}." if known else ""
