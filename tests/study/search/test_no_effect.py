"""When a recipe predicts the same as the plain network, and the next stronger recipe."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from goodfit.data import TaskSpec
from goodfit.recipe import Recipe
from goodfit.study.candidates import Candidate
from goodfit.study.fits import Fit, Predictions
from goodfit.study.search.no_effect import EQUAL, has_no_effect, stronger
from goodfit.study.search.space import Space

SPEC = TaskSpec("regression", "y", (), (4,), 1, "d")
PLAIN = torch.tensor([[0.0], [2.0], [4.0], [-6.0]])
SPREAD = float(PLAIN.std())


def fit(outputs: torch.Tensor, failure: str = "") -> Fit:
    predictions = {} if failure else {"validation": Predictions(torch.arange(len(outputs)), outputs)}
    return Fit(Candidate("", Recipe()), 100, 0, 0, SPEC, "rmse", predictions, failure=failure)


@pytest.mark.parametrize(("factor", "equal"), [(0.0, True), (0.9, True), (1.1, False), (-0.9, True), (-1.1, False)])
def test_outputs_are_equal_within_a_share_of_their_spread(factor: float, equal: bool) -> None:
    changed = PLAIN.double().clone()
    changed[2] += factor * EQUAL * SPREAD
    assert has_no_effect(fit(changed), fit(PLAIN)) is equal
    scaled = fit(1000 * changed), fit(1000 * PLAIN)  # whatever the unit
    assert has_no_effect(*scaled) is equal


def test_failed_fits_and_infinite_outputs_have_an_effect() -> None:
    assert not has_no_effect(fit(PLAIN, "it diverged"), fit(PLAIN))
    assert not has_no_effect(fit(PLAIN), fit(PLAIN, "it diverged"))
    assert not has_no_effect(fit(torch.full((4, 1), torch.nan)), fit(PLAIN))
    assert not has_no_effect(fit(PLAIN * torch.inf), fit(PLAIN))


def test_constant_outputs_and_a_single_row() -> None:
    constant = torch.ones(4, 1)
    assert has_no_effect(fit(constant), fit(constant))
    assert not has_no_effect(fit(constant + 1e-3), fit(constant))
    assert has_no_effect(fit(torch.ones(1, 1)), fit(torch.ones(1, 1)))
    assert not has_no_effect(fit(torch.ones(1, 1)), fit(torch.zeros(1, 1)))


@pytest.mark.parametrize(
    ("recipe", "ranges", "expected"),
    [
        ("l2=0.01", {"l2": (1e-4, 1e-1)}, "l2=0.1"),
        ("l2=0.1", {"l2": (1e-4, 1e-1)}, "l2=1.0"),  # the range may be left, the bounds may not
        ("max_norm=0.5", {"max_norm": (0.3, 3.0)}, "max_norm=0.05"),
        ("dropout=0.08", {"dropout": (0.05, 0.8)}, "dropout=0.8"),
        ("dropout=0.25", {"dropout": (0.1, 0.8)}, None),
        ("cutmix(p=0.5)", {"cutmix.p": (0.2, 1.0)}, None),
        ("early_stopping=20", {"early_stopping": (4, 20)}, "early_stopping=2"),
        ("batch_norm", {"batch_norm": True}, None),
        ("l2=0.01", {"l2": [0.001, 0.01, 0.1]}, None),
    ],
)
def test_the_next_strength_is_ten_times_further_from_neutral(
    recipe: str, ranges: dict[str, Any], expected: str | None
) -> None:
    further = stronger(Recipe.of(recipe), Space(ranges).axes[0])
    assert (further.text() if further is not None else None) == expected


def test_other_knobs_of_the_technique_stay() -> None:
    space = Space({"dropout.rate": (0.1, 0.8), "dropout.input_rate": (0.01, 0.5)})
    further = stronger(Recipe.of("dropout(rate=0.3, input_rate=0.05)"), space.axis("dropout.input_rate"))
    assert further == Recipe.of("dropout(rate=0.3, input_rate=0.5)")


@pytest.mark.parametrize(
    ("recipe", "ranges"),
    [("l2=0.01", {"l2": (1e-4, 1e-1)}), ("max_norm=3", {"max_norm": (0.3, 3.0)}),
     ("dropout=0.01", {"dropout": (0.01, 0.8)}), ("early_stopping=20", {"early_stopping": (4, 20)})],
)  # fmt: skip
def test_each_step_is_stronger_and_the_steps_end_at_the_bounds(recipe: str, ranges: dict[str, Any]) -> None:
    axis = Space(ranges).axes[0]
    steps: list[Recipe | None] = [Recipe.of(recipe)]
    while (last := steps[-1]) is not None and len(steps) < 1000:
        steps.append(stronger(last, axis))
        assert steps[-1] != last, f"{last.text()} is its own stronger step"
    assert steps[-1] is None
