"""Screening: which trials are trained on which folds. The fits are made from scores."""

from __future__ import annotations

import importlib
import math
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch

from goodfit.recipe import Recipe
from goodfit.study.candidates import PLAIN, Candidate
from goodfit.study.design import SCREENING
from goodfit.study.rounds import Key, Round
from goodfit.study.search.screening import BATCH, CERTAIN, FOLDS_AT_ONCE, RUNGS, Trial
from goodfit.study.stages import ABLATE, SCREEN, SHORT, SWEEP
from goodfit.train.config import Training

HOME = importlib.import_module("goodfit.study.search.screening")
MakeSearch = Callable[..., Any]
Score = Callable[[Candidate, Key], float | None]
BASE = 0.6
RANGES = {"l1": (1e-4, 1e-1), "l2": (1e-4, 1e-1), "dropout": (0.1, 0.8), "learning_rate": (1e-4, 1e-2)}


def named(text: str) -> Candidate:
    return Candidate(text or PLAIN, Recipe.of(text))


def names(candidate: Candidate) -> set[str]:
    return {technique.name() for technique in candidate.recipe}


def constant(candidate: Candidate, key: Key) -> float:
    return BASE


def l2_helps(candidate: Candidate, key: Key) -> float:
    """0.8 with l2, 0.4 with l1, in the middle with both or none."""
    return BASE + 0.2 * ("l2" in names(candidate)) - 0.2 * ("l1" in names(candidate))


def begun(search: Any, most: float = math.inf) -> Any:
    """A search after the first round and the starters."""
    screening = search.screening()
    while (current := screening.first_rounds(most)) is not None:
        search.train(current)
    return search.screening()


def split_round(search: Any, current: Round) -> tuple[list[Candidate], list[tuple[Candidate, Key]]]:
    """The new trials of a round, and the fits of earlier ones."""
    before = {candidate for _, candidate, _ in search.trained}
    new = [c for c, _ in current.fits if c not in before]
    return new, [(c, key) for c, key in current.fits if c in before]


# ---- the first rounds -------------------------------------------------------------------------------


def test_the_first_round_has_the_plain_network_and_the_fixed_recipes_on_all_folds(make_search: MakeSearch) -> None:
    search = make_search(constant, RANGES, fixed=["l2=0.01", "dropout=0.5"], folds=3)
    first = search.screening().first_rounds(math.inf)
    assert first.stage == SCREEN
    assert set(first.fits) == {
        (named(text), (SCREENING, fold)) for text in ("", "l2=0.01", "dropout=0.5") for fold in range(3)
    }
    assert len(first.fits) == 9


@pytest.mark.parametrize("most", [0, 1, 2.5, 4, math.inf])
def test_starters_follow_as_many_as_allowed_each_on_one_fold(make_search: MakeSearch, most: float) -> None:
    search = make_search(constant, RANGES, folds=5)
    starters = search.screening().starters
    search.train(search.screening().first_rounds(most))
    second = search.screening().first_rounds(most)
    expected = list(starters)[: int(min(most, len(starters)))]
    if not expected:
        assert second is None
        return
    assert sorted(c.label for c, _ in second.fits) == sorted(c.label for c in expected)
    counts = [len(second.on(key)) for key in second.folds]
    assert len(counts) <= FOLDS_AT_ONCE
    assert max(counts) - min(counts) <= 1
    assert [key for _, key in second.fits] == sorted(key for _, key in second.fits)  # fold by fold
    search.train(second)
    assert search.screening().first_rounds(most) is None


def test_starters_that_were_trained_are_left_out(make_search: MakeSearch) -> None:
    search = make_search(constant, RANGES)
    search.starters = [named("l2=0.01"), named("l1=0.001")]
    search.train(search.screening().first_rounds(9))
    search.train(Round(SCREEN, ((named("l2=0.01"), (SCREENING, 0)),)))
    assert search.screening().first_rounds(9).candidates == [named("l1=0.001")]


def test_new_trials_begin_on_other_folds_in_each_round(make_search: MakeSearch) -> None:
    search = make_search(constant, RANGES, folds=5)
    begun(search)
    for _ in range(4):
        current = search.screening().next_round(10)
        new, _ = split_round(search, current)
        assert len({key for c, key in current.fits if c in new}) == FOLDS_AT_ONCE
        search.train(current)
    starts: dict[Candidate, Key] = {}
    for each in search.rounds[1:]:
        for candidate, key in each.fits:
            starts.setdefault(candidate, key)
    assert set(starts.values()) == set(search.keys(SCREENING))


# ---- later rounds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("most", [1, 7, 30, 100])
def test_a_round_has_at_most_so_many_new_trials(make_search: MakeSearch, most: int) -> None:
    search = make_search(l2_helps, RANGES)
    screening = begun(search)
    new, _ = split_round(search, screening.next_round(most))
    assert len(new) == len(set(new)) == min(most, BATCH)


def test_nothing_is_tried_twice(make_search: MakeSearch) -> None:
    search = make_search(l2_helps, {"l2": {"choices": [1e-3, 1e-2]}, "l1": [1e-3]})
    screening = begun(search)
    assert len(search.screening().trials()) == 3
    proposed: list[Candidate] = []
    for _ in range(4):
        current = screening.next_round(10)
        if current is None:
            break
        proposed += split_round(search, current)[0]
        search.train(current)
    # two values of l2, alone or with l1, and l1 alone: two are new
    assert {c.recipe.text() for c in proposed} <= {"l2=0.001, l1=0.001", "l2=0.01, l1=0.001"}
    assert len(search.trained) == len({(c, key) for _, c, key in search.trained})


def test_only_accepted_recipes_are_proposed(make_search: MakeSearch) -> None:
    search = make_search(l2_helps, RANGES, accepts=lambda candidate: "l1" not in names(candidate))
    screening = begun(search)
    new, _ = split_round(search, screening.next_round(25))
    assert new
    assert not any("l1" in names(candidate) for candidate in new)


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_recipes_with_several_techniques_and_other_settings_are_proposed(make_search: MakeSearch, sampler: str) -> None:
    search = make_search(l2_helps, RANGES, sampler=sampler)
    screening = begun(search)
    new, _ = split_round(search, screening.next_round(30))
    assert max(len(c.recipe) for c in new) > 1
    assert len({c.settings(search.study.training).learning_rate for c in new}) > 10
    assert all(search.space.positions(c, search.study.training) is not None for c in new)


def test_a_quasi_random_search_continues_one_sequence(make_search: MakeSearch, monkeypatch: pytest.MonkeyPatch) -> None:
    """With another seed in each round, the rounds would be unrelated sequences whose union is not even."""
    seeds: list[int] = []
    real = HOME.propose_mixed

    def recording(name: str, space: Any, results: Any, count: int, seed: int) -> Any:
        seeds.append(seed)
        return real(name, space, results, count, seed)

    monkeypatch.setattr(HOME, "propose_mixed", recording)
    search = make_search(l2_helps, RANGES, sampler="quasi_random")
    screening = begun(search)
    for _ in range(3):
        search.train(screening.next_round(10))
    assert len(seeds) == 3
    assert len(set(seeds)) == 1


def test_other_samplers_are_random_in_another_way_in_each_study(make_search: MakeSearch) -> None:
    rounds = []
    for seed in (0, 0, 1):
        search = make_search(l2_helps, RANGES, seed=seed)
        rounds.append(begun(search).next_round(20))
    assert rounds[0] == rounds[1] != rounds[2]


# ---- short fits first -------------------------------------------------------------------------------


NINE = Training(epochs=9)


def test_trials_begin_with_a_third_of_the_epochs(make_search: MakeSearch) -> None:
    search = make_search(l2_helps, RANGES, folds=4, usual=NINE, fixed=["dropout=0.5"])
    screening = begun(search)
    first, second = search.rounds
    assert (first.stage, second.stage) == (SCREEN, SHORT)
    assert {c.settings(search.study.training).epochs for c in first.candidates} == {9}
    assert {c.settings(search.study.training).epochs for c in second.candidates} == {3}
    plain = [(c.label, key) for c, key in second.fits if not len(c.recipe)]
    assert {key for _, key in plain} == set(second.folds)  # the differences from it are paired
    assert len(plain) == FOLDS_AT_ONCE
    assert {t.candidate for t in search.screening().trials()} - set(first.candidates) == set(screening.starters)


def test_few_epochs_are_not_shortened(make_search: MakeSearch) -> None:
    for epochs, shortens in ((5, False), (6, True)):
        search = make_search(l2_helps, RANGES, usual=Training(epochs=epochs))
        begun(search)
        assert search.screening().shortens is shortens
        assert (SHORT in [each.stage for each in search.rounds]) is shortens


def test_the_best_third_of_short_fits_is_trained_with_all_epochs(make_search: MakeSearch) -> None:
    starters = [named(f"l2={1e-4 * 1.2**i:.3g}") for i in range(50)]

    def ranked(candidate: Candidate, key: Key) -> float:
        return 0.02 * [s.recipe for s in starters].index(candidate.recipe) if len(candidate.recipe) else 0.1

    search = make_search(ranked, RANGES, folds=5, starters=starters, usual=NINE)
    begun(search)
    while (current := search.screening().next_round(0)) is not None:
        search.train(current)
    folds = [len(search.trained_on(candidate)) for candidate in starters]
    whole = 50 // math.prod(RUNGS)
    assert whole == 2
    assert folds == [0] * 34 + [1] * (16 - 4) + [2] * (4 - whole) + [5] * whole


def test_short_fits_compete_with_short_fits(make_search: MakeSearch) -> None:
    """With all epochs the gains are ten times as large; a trial that is equal to the best one must not be dropped."""
    starters = [named(f"l2={1e-4 * 1.3**i:.3g}") for i in range(12)]

    def score(candidate: Candidate, key: Key) -> float:
        long = candidate.settings(search.study.training).epochs == 9
        return BASE + (0.3 if long else 0.03) * len(candidate.recipe)

    search = make_search(score, RANGES, folds=2, starters=starters, usual=NINE)
    begun(search)
    best = starters[0]
    search.train(Round.product(SCREEN, [best], search.keys(SCREENING)))
    search.train(search.screening().next_round(1))
    assert search.rounds[-1].stage == SHORT
    promoted = {c for c, _ in search.screening().next_round(0).fits}
    trials = len(search.screening().trials())
    assert len(promoted) == trials // RUNGS[0] - 1  # the best one has a place already


def test_short_fits_show_techniques_without_an_effect(make_search: MakeSearch) -> None:
    ranges = {"max_norm": (0.3, 3.0), "l2": (1e-4, 1e-1)}
    search = make_search(constant, ranges, outputs=outputs_of(weak_norm(0.02)), usual=NINE)
    screening = begun(search)
    assert screening.without_effect() == ["max_norm=3.0", "max_norm=1.0", "max_norm=0.5"]
    search.train(search.screening().next_round(1))  # the best ones, with all epochs
    new = [c.label.partition(";")[0] for c in search.screening().next_round(1).candidates]
    assert "max_norm=0.05" in new


def test_an_effect_is_a_difference_from_the_plain_network_of_the_same_length(make_search: MakeSearch) -> None:
    """The plain network predicts otherwise after more epochs; max_norm changes nothing at either length."""
    equal = outputs_of(weak_norm(0.02))

    def outputs(candidate: Candidate, key: Key) -> torch.Tensor:
        return equal(candidate, key) * candidate.settings(search.study.training).epochs

    search = make_search(constant, {"max_norm": (0.3, 3.0), "l2": (1e-4, 1e-1)}, outputs=outputs, usual=NINE)
    begun(search)
    search.train(Round.product(SCREEN, [named("max_norm=3.0")], search.keys(SCREENING)))
    assert search.screening().without_effect() == ["max_norm=3.0", "max_norm=1.0", "max_norm=0.5"]


# ---- promotion --------------------------------------------------------------------------------------


def test_the_best_third_is_trained_on_a_second_fold(make_search: MakeSearch) -> None:
    def ranked(candidate: Candidate, key: Key) -> float:
        """From 0.6 up, more for a stronger technique."""
        (technique,) = candidate.recipe or (None,)
        return BASE + (0.02 * starters.index(candidate) if technique else 0)

    starters = [named(f"l2={strength:g}") for strength in (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1)]
    starters += [named(f"l1={strength:g}") for strength in (1e-4, 1e-3)]
    search = make_search(ranked, RANGES, folds=4, starters=starters)
    screening = begun(search)
    promoted = split_round(search, screening.next_round(0))[1]
    assert len(starters) == 9
    assert {c for c, _ in promoted} == set(starters[-(9 // RUNGS[0]) :])
    for candidate, key in promoted:  # one further fold each
        assert key not in search.trained_on(candidate)
    assert len({c for c, _ in promoted}) == len(promoted)
    search.train(screening.next_round(0))
    assert search.screening().next_round(0) is None  # 9 of 12 trials are too few for the next rung


def test_the_best_of_many_are_trained_on_all_folds(make_search: MakeSearch) -> None:
    starters = [named(f"l2={1e-4 * 1.2**i:.3g}") for i in range(26)]

    def ranked(candidate: Candidate, key: Key) -> float:
        return 0.02 * starters.index(candidate) if len(candidate.recipe) else BASE

    search = make_search(ranked, RANGES, folds=5, starters=starters)
    begun(search)
    while (current := search.screening().next_round(0)) is not None:
        search.train(current)
    folds = [len(search.trained_on(candidate)) for candidate in starters]
    second, whole = 26 // RUNGS[0], 26 // (RUNGS[0] * RUNGS[1])
    assert (second, whole) == (8, 2)
    assert folds == [1] * 18 + [2] * 6 + [5] * 2


def test_a_trial_far_below_the_best_one_is_not_promoted(make_search: MakeSearch) -> None:
    """The fixed recipe is the best; its differences do not vary, so that trials below it cannot be better."""
    starters = [named(f"l1={1e-4 * 1.5**i:.3g}") for i in range(11)] + [named("l2=0.01")]

    def score(candidate: Candidate, key: Key) -> float:
        return BASE + {"dropout": 0.2, "l2": 0.2}.get(next(iter(names(candidate)), ""), 0.0)

    search = make_search(score, RANGES, folds=4, fixed=["dropout=0.5"], starters=starters)
    promoted = split_round(search, begun(search).next_round(0))[1]
    assert {c.label for c, _ in promoted} == {"l2=0.01"}  # four places, but no other trial may be the best
    assert len(starters) // RUNGS[0] == 4


def test_a_trial_that_may_be_the_best_by_chance_is_promoted(make_search: MakeSearch) -> None:
    """Differences that vary with a deviation of 0.1 between folds: 0.15 below the best can be chance, 0.3 cannot."""
    near, far = named("l2=0.01"), named("l1=0.01")

    def score(candidate: Candidate, key: Key) -> float:
        if candidate.recipe == Recipe.of("dropout=0.5"):
            return 0.6 if key[1] % 2 else 0.8
        return 0.56 if candidate == near else 0.4 if candidate == far else 0.5

    starters = [near, far, *(named(f"l1={1e-4 * 1.5**i:.3g}") for i in range(10))]
    search = make_search(score, RANGES, folds=4, fixed=["dropout=0.5"], starters=starters)
    screening = begun(search)
    deviation = math.sqrt(4 / 3 * 0.1**2)
    assert 0.2 - CERTAIN * deviation < 0.06
    promoted = {c for c, _ in split_round(search, screening.next_round(0))[1]}
    assert near in promoted
    assert far not in promoted


def test_the_last_round_completes_the_best_trials(make_search: MakeSearch) -> None:
    search = make_search(l2_helps, RANGES, folds=3)
    screening = begun(search)
    last = screening.last_round(3)
    completed = {c for c, _ in last.fits}
    assert all(names(c) == {"l2"} for c in completed)
    assert len(completed) == 3
    for candidate in completed:
        missing = set(search.keys(SCREENING)) - search.trained_on(candidate)
        assert {key for c, key in last.fits if c == candidate} == missing
    search.train(last)
    assert search.screening().last_round(3) is None
    assert search.screening().last_round(4) is not None


# ---- failures ---------------------------------------------------------------------------------------


def test_failed_trials_are_neither_promoted_nor_finalists(make_search: MakeSearch) -> None:
    def score(candidate: Candidate, key: Key) -> float | None:
        if "l2" in names(candidate):
            return None if key[1] == 1 else 0.9
        return None if "l1" in names(candidate) else BASE + 0.1 * len(candidate.recipe)

    search = make_search(score, RANGES, folds=2)
    begun(search)
    search.train(search.screening().last_round(100))
    for _ in range(3):
        search.train(search.screening().next_round(15))
    search.train(search.screening().last_round(100))
    screening = search.screening()
    failed = {fit.candidate for fit in search.study.screening if fit.failure}
    assert len(failed) > 5
    finalists = screening.finalists(100)
    assert finalists
    assert not set(finalists) & failed
    assert all(math.isnan(t.gain) is (t.candidate in failed) for t in screening.trials())
    best = screening.best()
    assert best is not None
    assert best.candidate not in failed
    for candidate in {f.candidate for f in search.study.screening if f.failure and "l2" not in names(f.candidate)}:
        assert len(search.trained_on(candidate)) == 1  # a failed trial gets no further fold


def test_a_plain_network_that_fails_ends_in_no_finalist(make_search: MakeSearch) -> None:
    search = make_search(lambda candidate, key: None if candidate.label == PLAIN else 0.7, RANGES)
    screening = begun(search)
    assert screening.finalists(5) == []
    assert screening.best() is None
    current = screening.next_round(5)
    assert current is None or len(current.fits)


# ---- what is chosen ---------------------------------------------------------------------------------


def test_finalists_are_the_best_on_all_folds_and_better_than_plain(make_search: MakeSearch) -> None:
    values = {"l2=0.01": 0.7, "l2=0.02": 0.9, "l1=0.01": 0.8, "l1=0.02": 0.5, "dropout=0.5": 0.95, "dropout=0.3": BASE}
    starters = [named(text) for text in values]
    search = make_search(lambda candidate, key: values.get(candidate.label, BASE), RANGES, starters=starters)
    begun(search)
    search.train(Round.product(SCREEN, [named(t) for t in values if t != "dropout=0.5"], search.keys(SCREENING)))
    screening = search.screening()
    assert [c.label for c in screening.finalists(9)] == ["l2=0.02", "l1=0.01", "l2=0.01"]
    assert [c.label for c in screening.finalists(2)] == ["l2=0.02", "l1=0.01"]
    best = screening.best()
    assert best is not None
    assert (best.candidate.label, best.gain) == ("l2=0.02", pytest.approx(0.3))
    assert set(best.gains) == set(search.keys(SCREENING))


def test_of_finalists_that_are_equal_on_all_folds_the_simplest_counts(make_search: MakeSearch) -> None:
    search = make_search(lambda c, key: 0.8 if len(c.recipe) else BASE, RANGES)
    long, short = named("l1=0.01, l2=0.01"), named("l2=0.03")
    search.starters = [long, short]
    begun(search)
    search.train(Round.product(SCREEN, [long, short], search.keys(SCREENING)))
    assert search.screening().finalists(2) == [short]


def test_fixed_recipes_are_trials_but_no_finalists(make_search: MakeSearch) -> None:
    search = make_search(l2_helps, RANGES, fixed=["l2=0.01"])
    screening = begun(search, most=0)
    assert [t.candidate.label for t in screening.trials()] == ["l2=0.01"]
    assert screening.finalists(5) == []
    assert screening.best().candidate.label == "l2=0.01"


def test_errors_gain_where_they_are_lower(make_search: MakeSearch) -> None:
    score: Score = lambda candidate, key: 5.0 - 2.0 * ("l2" in names(candidate)) + ("l1" in names(candidate))  # noqa: E731
    search = make_search(score, RANGES, metric="rmse")
    screening = begun(search)
    gains = {t.candidate.label: t.gain for t in screening.trials()}
    assert gains["l2=0.01"] == pytest.approx(2.0)
    assert gains["l1=0.001"] == pytest.approx(-1.0)
    search.train(screening.last_round(2))
    assert all("l2" in names(c) for c in search.screening().finalists(5))


def test_fits_of_other_stages_are_no_trials(make_search: MakeSearch) -> None:
    search = make_search(l2_helps, RANGES)
    begun(search)
    before = search.screening().trials()
    for stage in (SWEEP, ABLATE):
        search.train(Round.product(stage, [named(f"l2=0.0{len(stage)}")], search.keys(SCREENING)))
    assert search.screening().trials() == before


def test_gains_are_paired_differences() -> None:
    assert Trial(named("l2=0.01"), {(100, 0): 0.1, (100, 1): 0.3}).gain == pytest.approx(0.2)
    assert math.isnan(Trial(named("l2=0.01"), {(100, 0): 0.1, (100, 1): math.nan}).gain)


def test_the_gain_is_that_on_the_same_fold(make_search: MakeSearch) -> None:
    search = make_search(lambda c, key: 0.2 + 0.2 * key[1] + 0.1 * len(c.recipe), RANGES, folds=3)
    assert all(t.gain == pytest.approx(0.1) for t in begun(search).trials())


# ---- wider ranges -----------------------------------------------------------------------------------


def test_a_range_is_widened_where_the_best_value_is_at_its_edge(make_search: MakeSearch) -> None:
    ranges = {"l2": (1e-4, 1e-2), "l1": (1e-4, 1e-2)}
    search = make_search(l2_helps, ranges, folds=2, fixed=["l2=0.01"])
    screening = begun(search, most=0)
    assert screening.space.widenings(screening.current_space()) == ["l2.l2 from 0.0001 to 0.01 to 0.0001 to 0.04"]
    narrow = make_search(l2_helps, ranges, folds=2, fixed=["l2=0.01"], widen=False)
    begun(narrow, most=0)
    assert narrow.screening().current_space() == narrow.space
    worse = make_search(l2_helps, ranges, folds=2, fixed=["l1=0.01"])
    begun(worse, most=0)
    assert worse.screening().current_space() == worse.space  # the plain network is the best


def test_stronger_values_are_tried_in_a_wider_range(make_search: MakeSearch) -> None:
    search = make_search(l2_helps, {"l2": (1e-4, 1e-2), "l1": (1e-4, 1e-2)}, folds=2, fixed=["l2=0.01"])
    screening = begun(search)
    new, _ = split_round(search, screening.next_round(30))
    assert max(t.l2 for c in new for t in c.recipe if t.name() == "l2") > 0.01  # type: ignore[attr-defined]


# ---- techniques without an effect -------------------------------------------------------------------


def outputs_of(without_effect: Callable[[Candidate], bool]) -> Callable[[Candidate, Key], torch.Tensor]:
    """Outputs that equal the plain network's where a recipe has no effect."""

    def outputs(candidate: Candidate, key: Key) -> torch.Tensor:
        draw = torch.Generator().manual_seed(key[1])
        plain = torch.randn(50, 2, generator=draw)
        if not len(candidate.recipe) or without_effect(candidate):
            return plain
        return plain + 0.2 * torch.randn(50, 2, generator=torch.Generator().manual_seed(len(candidate.label)))

    return outputs


def weak_norm(limit: float) -> Callable[[Candidate], bool]:
    """Whether a recipe has only max_norm, with a value that changes nothing."""
    return lambda c: len(c.recipe) == 1 and all(t.name() == "max_norm" and t.max_value > limit for t in c.recipe)  # type: ignore[attr-defined]


def test_a_technique_without_an_effect_is_tried_stronger(make_search: MakeSearch) -> None:
    ranges = {"max_norm": (0.3, 3.0), "l2": (1e-4, 1e-1)}
    search = make_search(constant, ranges, outputs=outputs_of(weak_norm(0.02)))
    screening = begun(search)
    assert screening.without_effect() == ["max_norm=3.0", "max_norm=1.0", "max_norm=0.5"]
    for expected in ("max_norm=0.05", "max_norm=0.005"):
        current = search.screening().next_round(1)
        assert [c.label for c in split_round(search, current)[0]] == [expected]
        search.train(current)
    assert search.screening().without_effect() == ["max_norm=3.0", "max_norm=1.0", "max_norm=0.5", "max_norm=0.05"]
    new, _ = split_round(search, search.screening().next_round(5))
    assert not any(c.label.startswith("max_norm=0.0005") for c in new)  # 0.005 had an effect


def test_no_stronger_step_while_some_strength_is_untried_or_has_an_effect(make_search: MakeSearch) -> None:
    ranges = {"max_norm": (0.3, 3.0), "l2": (1e-4, 1e-1)}
    effective = make_search(constant, ranges, outputs=outputs_of(weak_norm(0.7)))
    screening = begun(effective)
    assert screening.without_effect() == ["max_norm=3.0", "max_norm=1.0"]
    new, _ = split_round(effective, screening.next_round(20))
    assert "max_norm=0.05" not in [c.label for c in new]
    untried = make_search(constant, ranges, outputs=outputs_of(weak_norm(0.02)))
    untried.starters = [named("max_norm=3.0"), named("max_norm=1.0")]
    new, _ = split_round(untried, begun(untried).next_round(20))
    assert "max_norm=0.05" not in [c.label for c in new]


def test_a_fit_that_failed_is_not_without_effect(make_search: MakeSearch) -> None:
    ranges = {"max_norm": (0.3, 3.0)}
    search = make_search(lambda c, key: None if len(c.recipe) else BASE, ranges)
    assert begun(search).without_effect() == []


def test_early_stopping_that_never_stops_does_not_hang_the_search(
    make_search: MakeSearch, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With few epochs no patience has an effect; the strongest one is 0, and there is none beyond it."""
    real, calls = HOME.stronger, iter(range(500))

    def counting(*arguments: Any) -> Any:
        assert next(calls, None) is not None, "the search looks for a stronger patience without end"
        return real(*arguments)

    monkeypatch.setattr(HOME, "stronger", counting)
    never = outputs_of(lambda c: names(c) == {"early_stopping"})
    search = make_search(constant, {"early_stopping": (4, 20), "l2": (1e-4, 1e-1)}, outputs=never)
    begun(search)
    for _ in range(4):
        search.train(search.screening().next_round(2))
    texts = search.screening().without_effect()
    assert len(texts) == len(set(texts))


# ---- resuming ---------------------------------------------------------------------------------------


def test_decisions_follow_from_rounds_and_fits_in_any_order(
    make_search: MakeSearch, strength_score: Score, noise_of: Callable[[Candidate, Key], float]
) -> None:
    search = make_search(strength_score, None, folds=3, fixed=["l2=0.01"], sampler="tpe")
    kept = search.screening()
    for _ in range(5):
        decided = kept.first_rounds(8) or kept.next_round(12)
        shuffled = list(search.study.screening)
        random.Random(len(shuffled)).shuffle(shuffled)
        search.study.screening[:] = shuffled
        other = search.screening()
        assert (other.first_rounds(8) or other.next_round(12)) == decided
        assert other.finalists(5) == kept.finalists(5)
        assert other.last_round(4) == kept.last_round(4)
        search.train(decided)
    assert len(search.screening().trials()) > 30


def test_settings_of_the_study_are_kept_in_proposals(make_search: MakeSearch) -> None:
    usual = Training(epochs=3, optimizer="sgd", batch_size=7)
    search = make_search(l2_helps, RANGES, usual=usual)
    new, _ = split_round(search, begun(search).next_round(10))
    for candidate in new:
        settings = candidate.settings(search.study.training)
        assert (settings.epochs, settings.optimizer, settings.batch_size) == (3, "sgd", 7)
