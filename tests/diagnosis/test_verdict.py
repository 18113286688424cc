"""The four labels, from findings and from trained networks."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
import torch

from goodfit.data import Split, from_tensors, load
from goodfit.diagnosis import diagnose
from goodfit.diagnosis.verdict import CHECKS, HEADLINES, NEXT, decide
from goodfit.history import History
from goodfit.train.config import Training
from goodfit.train.fit import fit

FALLING = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5]
RISING = [1.0, 0.5, 0.4, 0.45, 0.5, 0.55, 0.6]
FLAT = [1.0, 0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.4]

Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("stop", "options", "label"),
    [
        (FLAT, {"train": 0.2}, "overfit"),  # a large gap
        (FALLING, {"train": 0.2}, "overfit"),  # also while the curve falls
        ([1.3] * 6, {"train": 0.95}, "overfit"),
        (RISING, {"train": 0.59}, "overfit"),  # no gap, but kept where it had risen
        (RISING, {"train": 0.39, "kept": 3}, "good fit"),  # kept before it rose
        (FALLING, {"train": 0.49}, "underfit"),
        ([0.98] * 6, {"train": 0.97}, "underfit"),  # no better than a constant
        ([0.99] * 2, {"train": 0.98}, "underfit"),  # that needs no trend
        (FLAT, {"train": 0.39}, "good fit"),
        ([0.13, 0.12, 0.11, 0.10, 0.09, 0.08], {"train": 0.08}, "good fit"),  # falling, but nine tenths are learned
        (FLAT, {"train": 0.355}, "cannot tell"),  # the gap's interval holds the border
        ([1.0, 0.4, 0.4], {"train": 0.39}, "cannot tell"),  # too short
        ([1.0, float("nan"), 0.4, 0.4, 0.4, 0.4], {"train": 0.39}, "cannot tell"),
        (FLAT, {"train": 0.39, "baseline": None}, "cannot tell"),
        (FLAT, {"train": 0.2, "se": (float("nan"), 0.01)}, "cannot tell"),
        (FLAT, {"train": 0.2, "baseline": None}, "overfit"),
        (FALLING, {"train": 0.49, "baseline": None}, "underfit"),
    ],
)
def test_labels(recorded: Make, stop: list[float], options: dict[str, Any], label: str) -> None:
    verdict = diagnose(recorded(stop, **options))
    assert verdict.label == label
    assert verdict.headline == HEADLINES[label]
    assert verdict.next_steps == NEXT[label]
    assert [f.check for f in verdict.findings] == ["gap", "trend", "baseline"]


def test_every_combination_of_results_has_a_label(evidence: Make) -> None:
    words = (
        ("large", "small", "unclear"),
        ("rising", "falling", "flat", "short", "unclear"),
        ("learned", "memorized", "not learned", "unclear"),
    )
    labels = {
        result: decide(evidence(FLAT), dict(zip(("gap", "trend", "baseline"), result, strict=True)))
        for result in itertools.product(*words)
    }
    assert set(labels.values()) == set(HEADLINES) == set(NEXT)
    assert all(label == "overfit" for result, label in labels.items() if result[0] == "large")
    good = {result for result, label in labels.items() if label == "good fit"}
    assert good == {("small", "flat", "learned")}  # rising: FLAT is kept at its last epoch


def test_an_empty_history_cannot_tell(recorded: Make) -> None:
    verdict = diagnose(recorded([]))
    assert verdict.label == "cannot tell"
    assert [f.result for f in verdict.findings] == ["short"]
    assert len(History()) == 0


def test_as_text(recorded: Make) -> None:
    verdict = diagnose(recorded(FLAT, train=0.2))
    lines = str(verdict).splitlines()
    assert lines[0] == f"overfit: {HEADLINES['overfit']}"
    assert [line.startswith("  - ") for line in lines[1:4]] == [True] * len(CHECKS)
    assert lines[4] == "next steps:"
    assert len(lines) == 5 + len(NEXT["overfit"])


# ---- trained networks -------------------------------------------------------------------------------


def noisy(train: int, stop: int) -> Split:
    """Two clouds in 20 dimensions, of whose rows a quarter has the wrong label."""
    g = torch.Generator().manual_seed(0)

    def part(rows: int) -> tuple[torch.Tensor, torch.Tensor]:
        y = torch.arange(rows) % 2
        x = torch.randn(rows, 20, generator=g) + 0.5 * y[:, None]
        return x, torch.where(torch.rand(rows, generator=g) < 0.25, 1 - y, y)

    return from_tensors(part(train), part(stop), part(50), part(50))


def test_a_wide_network_on_sixty_noisy_rows_overfits() -> None:
    run = fit("mlp:256-256", noisy(60, 300), "", Training(epochs=40))
    verdict = diagnose(run)
    assert verdict.label == "overfit"
    assert {f.check: f.result for f in verdict.findings}["gap"] == "large"


def test_two_epochs_at_a_low_rate_underfit() -> None:
    run = fit("mlp:16", load("breast_cancer").split(), "", Training(epochs=2, learning_rate=1e-5))
    assert diagnose(run).label == "underfit"


def test_a_curve_that_still_falls_underfits() -> None:
    run = fit("mlp:16", load("breast_cancer").split(), "", Training(epochs=8, learning_rate=2e-4))
    verdict = diagnose(run)
    assert {f.check: f.result for f in verdict.findings}["trend"] == "falling"
    assert verdict.label == "underfit"


def test_a_well_regularized_network_does_not_overfit() -> None:
    recipe = "l2=1e-2, dropout=0.25, early_stopping=5"
    run = fit("mlp:32", load("breast_cancer").split(), recipe, Training(epochs=60))
    verdict = diagnose(run)
    assert verdict.label in ("good fit", "cannot tell")
    assert run.row["stop_accuracy"] > 0.9


def test_a_loss_of_ones_own_without_rows_cannot_tell_the_gap() -> None:
    run = fit("mlp:8", load("iris").split(), "", Training(epochs=6), loss=torch.nn.CrossEntropyLoss())
    result = {f.check: f.result for f in diagnose(run).findings}
    assert result["gap"] == "unclear"
    assert result["baseline"] == "unclear"
