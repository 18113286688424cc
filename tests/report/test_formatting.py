import math

import pytest

from goodfit.report.formatting import clean, decimals, duration, number, percent, shorten, span


@pytest.mark.parametrize(
    ("half", "places"), [(0.0023, 4), (0.023, 3), (2.3, 1), (230.0, 0), (1e-9, 6), (0.0, 4), (math.nan, 4)]
)
def test_decimals_give_half_widths_two_significant_digits(half: float, places: int) -> None:
    assert decimals([(1 - half, 1 + half)]) == places


def test_values_that_are_not_finite_are_left_out() -> None:
    assert clean([1.0, math.nan, math.inf, None]) == [1.0, None, None, None]
    assert number(math.inf, 3) == "–"
    assert span(0.1, math.nan, 2) == ""
    assert duration(math.nan) == "–"


@pytest.mark.parametrize(
    ("value", "text"), [(-0.5, "−0.50"), (0.5, "+0.50"), (0.0, "0.00"), (1e-5, "+1.0e−05"), (1e7, "+1.0e+07")]
)
def test_signed_numbers(value: float, text: str) -> None:
    assert number(value, 2, sign=True) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (1e-6, "< 0.1 %"), (0.25, "25.0 %"), (0.99999, "> 99.9 %"), (1, "100 %")],
)
def test_shares_never_round_to_0_or_100_percent(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.31, "0.31 s"), (59.97, "1 min 0 s"), (3599.9, "1 h 0 min"), (7500, "2 h 5 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize("length", [12, 20, 30, 42])
def test_shortened_texts_fit(length: int) -> None:
    for text in ("l2=1e-4, dropout=0.25, batch_norm, mixup=0.2, early_stopping=5", "x" * 100, "plain"):
        assert len(shorten(text, length)) <= length
