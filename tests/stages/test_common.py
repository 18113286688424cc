"""What stages share: the clock, periodic techniques, and schedules of every technique that has a strength."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from goodfit.data import Split
from goodfit.recipe import Recipe
from goodfit.stages import SCHEDULES, Clock, Scheduled, acts_now
from goodfit.techniques import ALL, EMA, L1, L2, SWA, Dropout, MaxNorm
from goodfit.train.checkpoint import Checkpoints
from goodfit.train.config import Training
from goodfit.train.fit import fit

Net = Callable[..., nn.Sequential]
WITH = [t for t in ALL.values() if issubclass(t, Scheduled)]
SETTINGS = {"epochs": 4, "batch_size": 32, "learning_rate": 0.02}


def strengths(technique: Scheduled) -> list[float]:
    return [getattr(technique, name) for name in technique.strengths()]


@pytest.mark.parametrize("technique", WITH, ids=lambda t: t.name())
def test_every_strength_follows_every_schedule(technique: type[Scheduled]) -> None:
    full, off = strengths(technique()), [technique.knobs()[n].neutral for n in technique.strengths()]
    assert full, "a technique without a strength has nothing to schedule"
    assert technique().at(0.7) == technique()
    for name in SCHEDULES:
        scheduled = technique(schedule=name)
        assert strengths(scheduled.at(0.0)) == (off if name == "late" else full)
        others = [n for n in technique.knobs() if n not in technique.strengths()]
        assert all(getattr(scheduled.at(0.3), n) == getattr(scheduled, n) for n in others)
    assert strengths(technique(schedule="early").at(0.49)) == full
    assert strengths(technique(schedule="early").at(0.5)) == off
    assert strengths(technique(schedule="late").at(0.5)) == full
    for value, neutral, half in zip(full, off, strengths(technique(schedule="linear").at(0.5)), strict=True):
        expected = value * 2 if neutral == math.inf else (value + float(neutral or 0)) / 2
        assert half == pytest.approx(expected)


def test_cosine_by_hand() -> None:
    rates = [Dropout(0.4, schedule="cosine").at(progress).rate for progress in (0.0, 1 / 3, 0.5, 2 / 3, 1.0)]
    assert rates == pytest.approx([0.4, 0.3, 0.2, 0.1, 0.0])


def test_progress_is_counted_in_steps() -> None:
    assert [Clock(step, per_epoch=2, total=4).progress for step in (1, 2, 3, 4)] == [0.0, 0.25, 0.5, 0.75]
    assert [Clock(step, per_epoch=2, total=4).ends_epoch for step in (1, 2, 3, 4)] == [False, True, False, True]
    assert Clock(step=1, per_epoch=0, total=0).progress == 0.0  # no step at all


def test_only_periodic_techniques_skip_steps() -> None:
    clocks = [Clock(step, per_epoch=2, total=4) for step in (1, 2, 3, 4)]
    assert [acts_now(EMA(), clock) for clock in clocks] == [True] * 4
    assert [acts_now(SWA(), clock) for clock in clocks] == [False, True, False, True]


@pytest.mark.parametrize("text", ["l2=0.1", "l1=0.01", "dropout=0.5", "max_norm=0.5", "weight_decay=1", "mixup=1"])
def test_late_changes_no_bit_in_the_first_half(text: str, three_class_split: Split, make_net: Net) -> None:
    name, _, value = text.partition("=")
    late = fit(make_net(), three_class_split, f"{name}({value}, schedule=late)", Training(**SETTINGS))
    plain = fit(make_net(), three_class_split, "", Training(**SETTINGS))
    assert late.history["stop_loss"][:2] == plain.history["stop_loss"][:2]
    assert late.history["stop_loss"][3] != plain.history["stop_loss"][3]


def test_a_scheduled_l2_equals_the_loop_by_hand(three_class_split: Split, make_net: Net) -> None:
    run = fit(
        make_net(),
        three_class_split,
        L2(0.1, schedule="linear"),
        Training(**SETTINGS | {"optimizer": "sgd", "momentum": 0.0}),
    )
    strengths_used: list[float] = []

    class Spy(L2):
        def coefficient(self) -> float:
            strengths_used.append(self.l2)
            return super().coefficient()

    repeated = fit(
        make_net(),
        three_class_split,
        Spy(0.1, schedule="linear"),
        Training(**SETTINGS | {"optimizer": "sgd", "momentum": 0.0}),
    )
    assert all(torch.equal(run.last[name], repeated.last[name]) for name in run.last)
    steps = 4 * 3
    assert sorted(set(strengths_used), reverse=True) == pytest.approx([0.1 * (1 - k / steps) for k in range(steps)])


def test_penalties_are_reported_at_the_strength_of_their_epoch(three_class_split: Split, make_net: Net) -> None:
    history = fit(make_net(), three_class_split, L1(0.01, schedule="early"), Training(**SETTINGS)).history
    assert history["penalty_l1"][0] > 0
    assert history["penalty_l1"][-1] == 0


def test_a_scheduled_run_cannot_be_resumed_with_more_epochs(
    three_class_split: Split, make_net: Net, tmp_path: object
) -> None:
    recipe = MaxNorm(1.0, schedule="cosine")
    fit(make_net(), three_class_split, recipe, Training(**SETTINGS), checkpoints=Checkpoints(tmp_path))  # type: ignore[arg-type]
    longer = Training(**SETTINGS | {"epochs": 8})
    with pytest.raises(ValueError, match="resume: training must be "):
        fit(make_net(), three_class_split, recipe, longer, checkpoints=Checkpoints(tmp_path, resume=True))  # type: ignore[arg-type]


def test_recipe_text_with_and_without_quotes() -> None:
    recipe = Recipe.of("dropout(0.5, schedule=cosine)")
    assert recipe == Recipe.of("dropout(0.5, schedule='cosine')") == Recipe((Dropout(0.5, schedule="cosine"),))
    assert repr(Dropout(0.5)) == "Dropout(rate=0.5, input_rate=0.0, on='kernel')"
    assert repr(recipe.techniques[0]) == "Dropout(rate=0.5, input_rate=0.0, on='kernel', schedule='cosine')"
