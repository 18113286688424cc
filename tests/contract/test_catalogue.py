"""What the catalogue asks of its techniques in addition: complete pages, references, a test file each."""

from __future__ import annotations

from pathlib import Path

import pytest

import goodfit
from goodfit import techniques
from goodfit.technique import Technique

TESTS = Path(__file__).resolve().parents[1] / "techniques"
SOURCES = Path(goodfit.__file__).parent / "techniques"
EVERY = pytest.mark.parametrize("technique", techniques.ALL.values(), ids=techniques.ALL.keys())


@EVERY
def test_documented(technique: type[Technique]) -> None:
    text = technique.__doc__ or ""
    for part in ("Formula: ", "Shape: ", "Helps when: ", "Hurts when: ", ">>> "):
        assert part in text, part
    assert technique.references
    assert text.splitlines()[0].endswith(".")


@EVERY
def test_has_its_own_test_file(technique: type[Technique]) -> None:
    stage = technique.__module__.split(".")[-2]
    assert (TESTS / stage / f"test_{technique.name()}.py").is_file()


def test_every_file_is_in_the_catalogue() -> None:
    files = {path.stem for path in SOURCES.glob("*/*.py") if not path.stem.startswith("_")}
    assert files == set(techniques.ALL)
    assert {t.__name__ for t in techniques.ALL.values()} <= set(techniques.__all__)
