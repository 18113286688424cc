import dataclasses
import json
import math

import pytest

from goodfit.report.page import Page, Row


def test_rows_are_sorted_best_first(page: Page) -> None:
    means = [row.mean for row in page.ranked()]
    assert means == sorted(means, reverse=True)
    lower = dataclasses.replace(page, higher_is_better=False)
    assert [row.mean for row in lower.ranked()] == sorted(means)


def test_rows_without_a_finite_mean_come_last(page: Page) -> None:
    broken = dataclasses.replace(page.ranking[3], label="broken", mean=math.nan)
    rows = dataclasses.replace(page, ranking=(broken, *page.ranking)).ranked()
    assert rows[-1].label == "broken"


@pytest.mark.parametrize(
    ("low", "high", "higher", "significance"),
    [
        (0.1, 0.3, True, "better"),
        (0.1, 0.3, False, "worse"),
        (-0.3, -0.1, True, "worse"),
        (-0.3, -0.1, False, "better"),
        (-0.1, 0.1, True, "inconclusive"),
        (0.0, 0.1, True, "inconclusive"),
        (None, None, True, "inconclusive"),
        (math.nan, 0.3, True, "unknown"),
        (0.1, math.inf, True, "inconclusive"),
    ],
)
def test_significance_requires_an_interval_that_excludes_zero(
    page: Page, low: float | None, high: float | None, higher: bool, significance: str
) -> None:
    row = dataclasses.replace(page.ranking[0], difference=0.2, difference_low=low, difference_high=high)
    assert dataclasses.replace(page, higher_is_better=higher).significance(row) == significance


def test_plain_is_the_reference_and_the_first_label(page: Page) -> None:
    plain: Row = next(row for row in page.ranking if row.difference is None)
    assert page.significance(plain) == "reference"
    assert page.labels()[0] == plain.label
    assert len(page.labels()) == len(page.ranking)


def test_json_round_trip(page: Page) -> None:
    assert Page.from_dict(json.loads(json.dumps(page.to_dict()))) == page


def test_integers_from_json_become_floats(page: Page) -> None:
    data = json.loads(json.dumps(page.to_dict()))
    data["ranking"][0]["mean"] = 1
    assert isinstance(Page.from_dict(data).ranking[0].mean, float)
