from __future__ import annotations

from goodfit.linter import Context, LintMessage


def test_long_lists_are_shortened_in_the_text() -> None:
    message = LintMessage("note", ("l2",), tuple("abcdef"), "why", "", "do")
    assert str(message) == "note: l2 at a, b, c, d and 2 more: why; do."
    assert str(LintMessage("note", (), ("",), "why", "", "do")) == "note: the network at (network): why; do."


def test_names_appear_once() -> None:
    assert LintMessage("note", ("dropout", "ema", "dropout"), (), "why", "", "do this").techniques == ("dropout", "ema")


def test_an_unknown_optimizer() -> None:
    assert [Context(optimizer=name).adaptive for name in (None, "SGD", "adam")] == [None, False, True]
