"""The publications that lint rules are based on."""

from __future__ import annotations

import inspect

from goodfit import linter
from goodfit.linter import sources
from goodfit.reference import Reference


def test_every_source_is_a_reference_under_its_first_author() -> None:
    named = {name: reference for name, reference in vars(sources).items() if name.isupper()}
    for name, reference in named.items():
        if name != "PYTORCH":
            assert isinstance(reference, Reference)
            surname = reference.authors[0].split()[-1].upper()
            assert name.split("_")[0] in surname.replace("Ü", "UE")
    used = "".join(inspect.getsource(subject) for subject in linter.SUBJECTS)
    assert all(f"sources.{name}" in used for name in named)
