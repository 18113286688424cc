"""Budgets: their texts, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest

from goodfit.errors import InputError
from goodfit.study.search.budget import DEFAULT, Budget, duration


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("30s", 30), ("5m", 300), ("5min", 300), ("2h", 7200), ("1.5h", 5400), (" 90 S ", 90), ("0.5s", 0.5), (30, 30),
        (2.5, 2.5),
    ],
)  # fmt: skip
def test_times(value: Any, seconds: float) -> None:
    assert Budget.of(value) == Budget(seconds, math.inf)


@pytest.mark.parametrize(("text", "trials"), [("200trials", 200), ("1trial", 1), ("12 Trials", 12), ("3.0trials", 3)])
def test_numbers_of_trials(text: str, trials: int) -> None:
    assert Budget.of(text) == Budget(math.inf, trials)


def test_a_budget_stays_itself() -> None:
    budget = Budget(trials=7)
    assert Budget.of(budget) is budget


BAD = [
    "0s", "0trials", "-1m", "-5", "1.5trials", "five", "", "5", "m", "5 minutes", "1e3s", "nan", "inf", "1h30m",
    "9" * 400 + "s", True, False, math.nan, math.inf, -math.inf, 0, -3, 0.0, None, [5], (3, "m"),
]  # fmt: skip


@pytest.mark.parametrize("value", BAD, ids=lambda v: repr(v)[:12])
def test_what_is_no_budget_is_refused(value: Any) -> None:
    with pytest.raises(InputError) as error:
        Budget.of(value)
    text = str(error.value)
    assert text.startswith(
        "study: budget must be a time such as 30s, 5m or 2h, or a number of trials such as 200trials"
    )
    assert text.endswith(f"got {value!r}.")


def test_an_endless_number_of_trials_is_refused() -> None:
    with pytest.raises(InputError, match="budget must be a time"):
        Budget.of("9" * 400 + "trials")


@pytest.mark.parametrize(
    ("budget", "text"),
    [
        ("30s", "30 s"), ("2m", "120 s"), ("3m", "3 min"), ("12h", "720 min"), ("200trials", "200 trials"),
        ("0.2s", "0.2 s"), (DEFAULT, "5 min"),
    ],
)  # fmt: skip
def test_budgets_in_words(budget: str, text: str) -> None:
    assert str(Budget.of(budget)) == text


def test_durations() -> None:
    assert [duration(s) for s in (0.4, 1.6, 120, 121, 3600)] == ["0.4 s", "2 s", "120 s", "2 min", "60 min"]
