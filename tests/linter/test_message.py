from __future__ import annotations

from goodfit.linter import LintMessage


def test_long_lists_are_shortened_in_the_text() -> None:
    message = LintMessage("note", ("l2",), tuple("abcdef"), "why", "", "do")
    assert str(message) == "note: l2 at a, b, c, d and 2 more: why; do."
    assert str(LintMessage("note", (), ("",), "why", "", "do")) == "note: the network at (network): why; do."
