"""Data sets by name: those bundled with scikit-learn, and those of OpenML."""

from __future__ import annotations

import http.client
import warnings
from typing import Any, cast

import pandas as pd

from goodfit.errors import InputError, first_line

BUNDLED = ("breast_cancer", "diabetes", "digits", "iris", "wine")
OPENML = "openml:"


def is_bundled(name: str) -> bool:
    """Whether a data set of this name is bundled with scikit-learn; `-` is read as `_`."""
    return _plain(name) in BUNDLED


def read_bundled(name: str) -> tuple[pd.DataFrame, str, str]:
    """A data set bundled with scikit-learn, with the names of its classes.

    Returns:
        The table with its target column, the name of that column, and the name of the data set.
    """
    from sklearn import datasets

    known = _plain(name)
    bunch = getattr(datasets, f"load_{known}")(as_frame=True)
    frame, target = cast(pd.DataFrame, bunch.frame), str(bunch.target.name)
    if known in ("breast_cancer", "iris", "wine"):
        names = {code: str(text) for code, text in enumerate(bunch.target_names)}
        frame = frame.assign(**{target: frame[target].map(names)})
    return frame, target, known


def read_openml(source: str) -> tuple[pd.DataFrame, str | None, str]:
    """A data set of openml.org: `openml:NAME` (its oldest active version), `openml:NAME:VERSION` or `openml:ID`.

    Returns:
        The table with its target column, the name of that column if OpenML has it, and the name of the data set.

    Raises:
        InputError: there is no such data set, or OpenML cannot be reached.
    """
    from sklearn.datasets import fetch_openml

    which = _which(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # several versions, retries: the errors below report them
            bunch = fetch_openml(**which, as_frame=True, parser="auto", n_retries=1, delay=0.5)
    except (OSError, http.client.HTTPException) as error:
        raise InputError(
            f"load: '{source}' could not be downloaded ({type(error).__name__}), because this computer is offline or "
            "openml.org does not answer; download the table elsewhere and load it as a file."
        ) from error
    except (ValueError, KeyError) as error:
        reason = first_line(error)
        raise InputError(f"load: '{source}' cannot be used: {reason} Look for it on openml.org.") from error
    targets = list(bunch.target_names or [])
    return (
        cast(pd.DataFrame, bunch.frame),
        targets[0] if targets else None,
        str(bunch.details.get("name", source)),
    )


def _which(source: str) -> dict[str, Any]:
    """The arguments of `fetch_openml`."""
    name, _, version = source[len(OPENML) :].strip().partition(":")
    if not name or (version and not version.isdigit()):
        raise InputError(f"load: '{source}' names no data set; give openml:NAME, openml:NAME:VERSION or openml:ID.")
    if name.isdigit():
        return {"data_id": int(name)}
    return {"name": name, "version": int(version)} if version else {"name": name}


def _plain(name: str) -> str:
    return name.strip().lower().replace("-", "_")
