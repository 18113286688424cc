"""Every technique of the catalogue passes the checks that `goodfit.testing` offers to users."""

from __future__ import annotations

import pytest

from goodfit.technique import Technique
from goodfit.techniques import ALL
from goodfit.testing import CHECKS
from goodfit.testing.check import Check, name_of, run_check
from goodfit.testing.population import check_population_equals_solo

# tests/train/population/test_equals_solo.py checks populations of the whole catalogue, with more strengths and seeds.
HERE = [check for check in CHECKS if check is not check_population_equals_solo]


# All checks of a technique come one after another, so that they share its runs.
@pytest.mark.parametrize(
    ("technique", "check"),
    [pytest.param(t, check, id=f"{t.name()}-{name_of(check)}") for t in ALL.values() for check in HERE],
)
def test_contract(technique: type[Technique], check: Check) -> None:
    run_check(check, technique)
