"""Rounds as JSON, and the time that a study has used."""

from __future__ import annotations

import json
import time

import pytest

from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.study.candidates import PLAIN, Candidate
from goodfit.study.rounds import Clock, Round, compare_all
from goodfit.study.stages import COMPARE, SCREEN
from goodfit.train.config import Training

FIRST = Candidate(PLAIN, Recipe())
SECOND = Candidate(
    "l2=0.01; epochs=3", Recipe.of("l2=0.01, dropout(0.3, on='0')"), Training(epochs=3, learning_rate=0.1)
)
FITS = ((FIRST, (100, 1)), (SECOND, (100, 0)), (FIRST, (100, 0)), (SECOND, (2, 4)))


def test_a_round_is_the_same_after_json() -> None:
    each = Round(SCREEN, FITS, 12.5, "screening, 3 trials so far")
    assert Round.from_dict(json.loads(json.dumps(each.to_dict()))) == each
    empty = Round(COMPARE, ())
    assert Round.from_dict(json.loads(json.dumps(empty.to_dict()))) == empty
    assert json.dumps(each.to_dict()).count("dropout") == 1 + each.to_dict()["candidates"][0]["label"].count("dropout")


def test_folds_and_candidates_are_in_the_order_of_their_first_fit() -> None:
    each = Round(SCREEN, FITS)
    assert each.folds == [(100, 1), (100, 0), (2, 4)]
    assert each.candidates == [FIRST, SECOND]
    assert each.on((100, 0)) == [SECOND, FIRST]
    assert each.on((7, 7)) == []


def test_a_product_has_every_recipe_on_every_fold_fold_by_fold() -> None:
    each = Round.product(COMPARE, [FIRST, SECOND], [(0, 0), (0, 1)])
    assert each.fits == ((FIRST, (0, 0)), (SECOND, (0, 0)), (FIRST, (0, 1)), (SECOND, (0, 1)))


def test_a_study_without_a_search_has_one_round() -> None:
    assert list(compare_all([FIRST, SECOND], [(0, 0)])) == [Round.product(COMPARE, [FIRST, SECOND], [(0, 0)])]


def test_an_unknown_technique_is_refused() -> None:
    values = Round(SCREEN, FITS).to_dict()
    text = json.dumps(values).replace('"l2"', '"l22"')
    assert text != json.dumps(values)
    with pytest.raises(InputError, match="l22"):
        Round.from_dict(json.loads(text))


@pytest.mark.parametrize("name", ["stage", "fits", "candidates", "seconds", "note"])
def test_a_round_without_a_value_is_an_error(name: str) -> None:
    values = Round(SCREEN, FITS).to_dict()
    del values[name]
    with pytest.raises(KeyError):
        Round.from_dict(values)


def test_a_clock_counts_seconds() -> None:
    clock = Clock(begun=50.0)
    assert clock.used(now=50.0) == 0.0
    assert clock.used(now=53.5) == 3.5


def test_a_clock_continues_a_study_and_never_goes_back() -> None:
    clock = Clock(begun=100.0)
    clock.resume(60.0, now=100.0)
    assert clock.used(now=101.0) == 61.0
    clock.resume(10.0, now=102.0)  # a round that was decided earlier
    assert clock.used(now=103.0) == 63.0
    clock.resume(500.0, now=103.0)
    assert clock.used(now=104.0) == 501.0


def test_a_clock_begins_now() -> None:
    before = time.monotonic()
    used = Clock().used()
    assert 0 <= used <= time.monotonic() - before
