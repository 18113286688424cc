"""Publications as data: the printed form, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from goodfit.errors import InputError
from goodfit.reference import Reference

FIELDS: dict[str, Any] = {"authors": ("A. Cee",), "title": "Title", "year": 2020, "url": "https://x.org"}


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({}, "A. Cee, “Title”, 2020, https://x.org"),
        ({"authors": ("A. Cee", "B. Dee", "Ł. Eff")}, "A. Cee, B. Dee and Ł. Eff, “Title”, 2020, https://x.org"),
        ({"authors": ("A. Cee", "et al."), "venue": "ICML"}, "A. Cee et al., “Title”, ICML, 2020, https://x.org"),
        ({"venue": "IEEE X", "volume": "3", "number": "1–2", "pages": "5–9", "section": "section 5"},
         "A. Cee, “Title”, IEEE X 3(1–2), 5–9, 2020, section 5, https://x.org"),
        ({"topic": "for tables"}, "for tables: A. Cee, “Title”, 2020, https://x.org"),
    ],
)  # fmt: skip
def test_printed_form(more: dict[str, Any], text: str) -> None:
    assert str(Reference(**FIELDS | more)) == text


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"authors": "A. Cee"}, r"Reference: authors must be a tuple of names, got authors='A\. Cee'\."),
        ({"authors": ()}, r"authors must be a tuple of names, got authors=\(\)"),
        ({"title": ""}, "title must not be empty, got title=''"),
        ({"year": "2020"}, "year must be a whole number, got year='2020'"),
        ({"url": "x.org"}, "url must start with https:// or http://, got url='x.org'"),
    ],
)
def test_wrong_fields_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Reference(**FIELDS | wrong)
