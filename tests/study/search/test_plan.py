"""The stages of a search: their order, budgets, what is compared, and how a search is continued."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable
from typing import Any

import pytest

from goodfit.recipe import Recipe
from goodfit.study.candidates import PLAIN, Candidate
from goodfit.study.design import SCREENING
from goodfit.study.rounds import Key
from goodfit.study.search.plan import ENOUGH_TRIALS, FINALISTS, PATIENCE, SWEEP_FOLDS, SWEPT, USEFUL_TRIALS
from goodfit.study.search.trials import short_of
from goodfit.study.stages import ABLATE, COMPARE, SCREEN, SHORT, STAGES, SWEEP
from goodfit.train.config import Training

MakeSearch = Callable[..., Any]


@pytest.fixture(params=[2, 9], ids=["full fits", "short fits first"])
def make_search(request: pytest.FixtureRequest, make_search: MakeSearch) -> MakeSearch:
    """Searches whose trials begin with all epochs, and with a third of them."""
    return functools.partial(make_search, usual=Training(epochs=request.param))


Score = Callable[[Candidate, Key], float | None]
RANGES = {"l1": (1e-4, 1e-1), "l2": (1e-4, 1e-1), "dropout": (0.1, 0.8), "learning_rate": (1e-4, 1e-2)}
BASE = 0.6


def names(candidate: Candidate) -> set[str]:
    return {technique.name() for technique in candidate.recipe}


def constant(candidate: Candidate, key: Key) -> float:
    return BASE


def l2_helps(candidate: Candidate, key: Key) -> float:
    return BASE + 0.2 * ("l2" in names(candidate)) - 0.2 * ("l1" in names(candidate))


def both_help(candidate: Candidate, key: Key) -> float:
    return (
        BASE
        + 0.1 * ("l2" in names(candidate))
        + 0.2 * ("l1" in names(candidate))
        - 0.1 * ("dropout" in names(candidate))
    )


def stages(search: Any) -> list[str]:
    return [each.stage for each in search.rounds]


def keys_of(search: Any) -> list[Key]:
    return [fold.key for fold in search.design.folds]


# ---- the stages -------------------------------------------------------------------------------------


def test_the_plain_network_comes_first_and_is_trained_on_all_folds_for_screening(make_search: MakeSearch) -> None:
    search = make_search(l2_helps, RANGES, fixed=["dropout=0.5"], budget="30trials", seconds=100.0)
    first = search.plan().decide()
    assert (first.stage, set(first.candidates)) == (SCREEN, set(search.study.definition.candidates))
    assert first.folds == search.keys(SCREENING)
    assert len(first.fits) == 2 * search.folds


def test_one_fit_shows_how_much_the_budget_allows(make_search: MakeSearch) -> None:
    search = make_search(l2_helps, RANGES, fixed=["dropout=0.5"], budget="300s", folds=3)
    first = search.plan().decide()
    search.train(first)
    second = search.plan().decide()
    plain, other = search.study.definition.candidates
    keys = search.keys(SCREENING)
    both = {(candidate, key) for candidate in (plain, other) for key in keys}
    assert second.stage == SCREEN
    if search.screening().shortens:
        assert (first.stage, first.fits) == (SHORT, ((short_of(plain, search.study.training), keys[0]),))
        assert set(second.fits) == both
    else:
        assert (first.stage, first.fits) == (SCREEN, ((plain, keys[0]),))
        assert set(second.fits) == both - {(plain, keys[0])}


@pytest.mark.parametrize(
    ("seconds", "fits"), [(3, [("plain", (0, 0))]), (35, [("plain", (0, 0)), ("dropout=0.5", (0, 0))]), (65, None)]
)
def test_a_budget_for_no_search_compares_what_is_affordable(
    make_search: MakeSearch, seconds: int, fits: list[Any] | None
) -> None:
    """A fit takes 10 s; the first one, or a third of it, shows that."""
    search = make_search(l2_helps, RANGES, fixed=["dropout=0.5"], budget=f"{seconds}s", seconds=10.0, folds=4)
    search.run()
    assert stages(search) == [SHORT if search.screening().shortens else SCREEN, COMPARE]
    assert len(search.study.screening) == 1
    assert search.study.trials == 0
    both = [(label, (0, fold)) for fold in (0, 1) for label in ("plain", "dropout=0.5")]
    assert [(fit.label, fit.key) for fit in search.study.fits] == (fits or both)
    assert search.clock.used() <= max(seconds, 20)


@pytest.mark.parametrize("budget", ["25trials", "300s"])
def test_stages_follow_each_other(make_search: MakeSearch, strength_score: Score, budget: str) -> None:
    search = make_search(strength_score, None, budget=budget, folds=3, repeats=2)
    search.run()
    order = [SCREEN if stage == SHORT else stage for stage in stages(search)]
    assert order == sorted(order, key=[SCREEN, COMPARE, ABLATE, SWEEP].index)
    assert order.count(COMPARE) == 1
    assert search.plan().decide() is None


def test_the_comparison_has_fixed_recipes_and_finalists_on_all_folds(
    make_search: MakeSearch, strength_score: Score
) -> None:
    search = make_search(strength_score, None, budget="40trials", fixed=["dropout=0.5", "l2=10"], folds=3, repeats=2)
    search.run()
    (compared,) = (each for each in search.rounds if each.stage == COMPARE)
    finalists = search.screening().finalists(FINALISTS)
    assert 1 < len(finalists) <= FINALISTS
    assert compared.candidates == [*search.study.definition.candidates, *finalists]
    assert compared.folds == keys_of(search)
    assert len(compared.fits) == len(set(compared.fits)) == (3 + len(finalists)) * 6
    assert search.study.complete
    assert all(fit.key[0] == SCREENING for fit in search.study.screening)
    assert all("test" not in fit.predictions for fit in (*search.study.screening, *search.study.ablations))
    assert all("test" in fit.predictions for fit in search.study.fits)


def test_the_best_recipes_are_found(make_search: MakeSearch, strength_score: Score) -> None:
    search = make_search(strength_score, None, budget="60trials")
    search.run()
    recommended = search.study.evidence().recommended
    assert recommended is not None
    assert "l2" in names(recommended.candidate)
    (best,) = (t for t in recommended.candidate.recipe if t.name() == "l2")
    assert abs(math.log10(best.l2) + 2) < 1  # the best strength is 0.01


def test_without_a_better_recipe_the_fixed_ones_alone_are_compared(make_search: MakeSearch) -> None:
    search = make_search(lambda c, key: BASE - 0.1 * bool(len(c.recipe)), RANGES, budget="20trials", fixed=["l2=0.01"])
    search.run()
    assert stages(search)[-1] == COMPARE
    assert search.rounds[-1].candidates == list(search.study.definition.candidates)
    assert search.study.evidence().recommended is None


# ---- budgets of trials ------------------------------------------------------------------------------


@pytest.mark.parametrize("trials", [1, 2, 3, 6, 7, 30, 31, 75])
@pytest.mark.parametrize("fixed", [[], ["weight_decay=1.0, early_stopping=10"]], ids=["plain", "standard"])
def test_a_budget_of_trials_is_respected_exactly(
    make_search: MakeSearch, strength_score: Score, trials: int, fixed: list[str]
) -> None:
    search = make_search(strength_score, None, budget=f"{trials}trials", fixed=fixed)
    search.run()
    assert search.study.trials == len(search.screening().trials()) == trials
    assert COMPARE in stages(search)


@pytest.mark.parametrize(("recipes", "trials"), [(3, 4), (4, 5), (6, 10), (5, 3)])
def test_recipes_that_are_compared_in_any_case_count_in_the_budget(
    make_search: MakeSearch, strength_score: Score, recipes: int, trials: int
) -> None:
    fixed = [f"l2={strength:g}" for strength in (0.001, 0.002, 0.003, 0.004, 0.005, 0.006)][:recipes]
    search = make_search(strength_score, None, budget=f"{trials}trials", fixed=fixed)
    search.run()
    assert search.study.trials == max(trials, recipes)


def test_a_small_space_ends_before_the_budget(make_search: MakeSearch) -> None:
    search = make_search(l2_helps, {"l2": [0.01], "dropout": [0.5]}, budget="500trials")
    search.run()
    assert search.study.trials == 3  # each alone, and both
    assert COMPARE in stages(search)


# ---- budgets of time --------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [60, 150, 400])
def test_a_budget_of_time_is_kept(make_search: MakeSearch, strength_score: Score, seconds: int) -> None:
    search = make_search(strength_score, None, budget=f"{seconds}s", folds=3)
    search.run()
    assert COMPARE in stages(search)
    assert search.clock.used() <= seconds
    assert search.study.trials > 0


@pytest.mark.parametrize("fit_seconds", [0.37, 11.0])
@pytest.mark.parametrize(
    ("folds", "repeats", "fixed"), [(5, 2, []), (5, 4, ["weight_decay=1.0"]), (1, 3, []), (2, 1, [])]
)
@pytest.mark.parametrize("share", [0.02, 0.3])
def test_a_budget_that_is_too_small_is_reported_with_one_that_is_enough(
    make_search: MakeSearch, strength_score: Score, fit_seconds: float, folds: int, repeats: int, fixed: list[str],
    share: float,
) -> None:  # fmt: skip
    fits = 1.5 * USEFUL_TRIALS + (1 + len(fixed) + FINALISTS) * folds * repeats
    budget = max(1, round(share * fits * fit_seconds))
    options = {"folds": folds, "repeats": repeats, "fixed": fixed, "seconds": fit_seconds}
    small = make_search(strength_score, None, budget=f"{budget}s", **options)
    plan = small.run()
    if small.study.trials >= USEFUL_TRIALS and COMPARE in stages(small):
        return
    (message,) = (text for text in plan.messages() if text.startswith("the budget"))
    needed = re.search(r"--budget (\d+)s would be enough for about 60 trials \(a fit trains for ([\d.]+) s\)", message)
    assert needed
    assert float(needed[2]) == pytest.approx(fit_seconds, rel=0.05)
    assert int(needed[1]) > budget
    enough = make_search(strength_score, None, budget=f"{needed[1]}s", **options)
    other = enough.run()
    assert enough.study.trials >= USEFUL_TRIALS
    assert not any(text.startswith("the budget") for text in other.messages())
    assert COMPARE in stages(enough)


def test_a_budget_for_no_comparison_has_one_fit_of_each_fixed_recipe(make_search: MakeSearch) -> None:
    search = make_search(l2_helps, RANGES, budget="10s", seconds=5.0, folds=3)
    plan = search.run()
    assert stages(search) == [SHORT if search.screening().shortens else SCREEN, COMPARE]
    assert [(fit.label, fit.key) for fit in search.study.fits] == [("plain", (0, 0))]
    assert not search.study.complete
    (message,) = plan.messages()
    assert message.startswith("the budget of 10 s is small for this network and data (not all fits could be trained); ")


def test_a_search_ends_when_nothing_better_was_found_for_long(make_search: MakeSearch) -> None:
    """The best recipe is the fixed one, which is the first trial."""
    search = make_search(
        lambda c, key: 0.9 if c.label == "l2=0.01" else BASE, None, budget="12h", fixed=["l2=0.01"], seconds=0.01
    )
    search.run()
    assert ENOUGH_TRIALS <= search.study.trials < ENOUGH_TRIALS + PATIENCE
    assert search.clock.used() < 100
    assert stages(search).count(COMPARE) == 1


def test_a_perfect_plain_network_is_not_improved(make_search: MakeSearch) -> None:
    search = make_search(lambda c, key: 1.0, RANGES, budget="50trials", folds=3)
    plan = search.run()
    assert stages(search) == [SCREEN, COMPARE]
    assert [c.label for c in search.rounds[-1].candidates] == [PLAIN]
    assert plan.messages() == ["the plain network has the best possible accuracy, so nothing was searched"]


def test_errors_of_zero_do_not_end_a_search_of_larger_ones(make_search: MakeSearch) -> None:
    """An error of 1.0 is no perfect score."""
    search = make_search(lambda c, key: 1.0 - 0.5 * ("l2" in names(c)), RANGES, budget="20trials", metric="rmse")
    search.run()
    assert search.study.trials == 20
    recommended = search.study.evidence().recommended
    assert recommended is not None
    assert "l2" in names(recommended.candidate)


# ---- failures ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", ["30trials", "200s"])
@pytest.mark.parametrize("who", ["plain", "others", "all", "some folds"])
def test_a_search_with_failures_ends(make_search: MakeSearch, budget: str, who: str) -> None:
    def score(candidate: Candidate, key: Key) -> float | None:
        is_plain = candidate.label == PLAIN
        fails = {"plain": is_plain, "others": not is_plain, "all": True, "some folds": key[1] == 1}[who]
        return None if fails else l2_helps(candidate, key)

    search = make_search(score, RANGES, budget=budget, folds=3)
    plan = search.run()
    assert search.study.evidence().recommended is None
    assert plan.messages() is not None
    assert len(search.trained) < 400


def test_no_recipe_with_a_failed_fit_is_compared_by_choice(make_search: MakeSearch) -> None:
    def score(candidate: Candidate, key: Key) -> float | None:
        return None if "l2" in names(candidate) and key == (SCREENING, 2) else l2_helps(candidate, key)

    search = make_search(score, RANGES, budget="60trials", folds=3)
    search.run()
    (compared,) = (each for each in search.rounds if each.stage == COMPARE)
    assert not any("l2" in names(candidate) for candidate in compared.candidates)


# ---- ablation and sweeps ----------------------------------------------------------------------------


def test_the_recommended_recipe_is_trained_without_each_technique(make_search: MakeSearch) -> None:
    search = make_search(both_help, RANGES, budget="60trials", folds=3, repeats=2)
    search.run()
    recommended = search.study.evidence().recommended
    assert recommended is not None
    assert names(recommended.candidate) == {"l1", "l2"}
    (ablated,) = (each for each in search.rounds if each.stage == ABLATE)
    assert {frozenset(names(c)) for c in ablated.candidates} == {frozenset({"l1"}), frozenset({"l2"})}
    assert set(ablated.folds) <= {(0, fold) for fold in range(3)}
    assert len(search.study.ablations) == len(ablated.fits)
    assert {c.training for c in ablated.candidates} == {recommended.candidate.training}


def test_strengths_are_swept_on_folds_for_screening(make_search: MakeSearch) -> None:
    search = make_search(l2_helps, RANGES, budget="60trials", folds=3)
    search.run()
    (swept,) = (each for each in search.rounds if each.stage == SWEEP)
    assert swept.folds == search.keys(SCREENING)[:SWEEP_FOLDS]
    recommended = search.study.evidence().recommended
    assert recommended is not None
    assert {frozenset(names(c)) for c in swept.candidates} == {frozenset(names(recommended.candidate))}


def test_the_strengths_of_the_techniques_that_contribute_most_are_swept(make_search: MakeSearch) -> None:
    contributions = {"l1": 0.02, "l2": 0.04, "dropout": 0.06, "label_smoothing": 0.08, "weight_decay": 0.1}
    whole = "l1=0.01, l2=0.01, dropout=0.5, label_smoothing=0.1, weight_decay=1"
    search = make_search(
        lambda c, key: BASE + sum(contributions[name] for name in names(c)), {"l2": (1e-4, 1e-1)},
        budget="2trials", fixed=[whole], folds=3, repeats=2,
    )  # fmt: skip
    search.run()
    recommended = search.study.evidence().recommended
    assert recommended is not None
    assert names(recommended.candidate) == set(contributions)
    (swept,) = (each for each in search.rounds if each.stage == SWEEP)
    changed = {t.name() for c in swept.candidates for t in c.recipe if t not in tuple(recommended.candidate.recipe)}
    assert changed == set(contributions) - {"l1"}
    assert len(changed) == SWEPT


def test_nothing_is_explained_if_the_plain_network_is_recommended(make_search: MakeSearch) -> None:
    search = make_search(constant, RANGES, budget="20trials")
    search.run()
    assert set(stages(search)) - {SHORT} == {SCREEN, COMPARE}


def test_no_round_has_a_fit_twice_or_one_that_is_finished(make_search: MakeSearch) -> None:
    """Whole strengths are rounded: of patience=4, a tenth and a hundredth are both 1."""

    def score(candidate: Candidate, key: Key) -> float:
        return BASE + 0.2 * ("early_stopping" in names(candidate))

    search = make_search(score, {"early_stopping": (4, 20), "l2": (1e-4, 1e-1)}, budget="30trials", folds=2)
    search.run()
    assert SWEEP in stages(search)
    usual = search.study.training
    known: set[Any] = set()
    for each in search.rounds:
        own = [(c.recipe, c.settings(usual), key) for c, key in each.fits]
        assert len(own) == len(set(own)), f"{each.stage} has a fit twice"
        assert not known & set(own), f"{each.stage} has a finished fit"
        known |= set(own)


def test_stages_that_take_too_long_are_left_out(make_search: MakeSearch) -> None:
    search = make_search(both_help, RANGES, budget="60trials", folds=3, repeats=2)
    search.run()
    used = next(each.seconds for each in search.rounds if each.stage == ABLATE)
    short = make_search(both_help, RANGES, budget=f"{used + 2:.0f}s", folds=3, repeats=2)
    short.run()
    assert short.clock.used() <= used + 2


# ---- continuing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", ["45trials", "160s"])
def test_a_continued_search_decides_the_same(make_search: MakeSearch, strength_score: Score, budget: str) -> None:
    searches = [
        make_search(strength_score, None, budget=budget, sampler="tpe", fixed=["dropout=0.5"]) for _ in range(2)
    ]
    searches[0].run()
    searches[1].run(resumed=True)
    assert searches[0].rounds == searches[1].rounds
    assert searches[0].study.evidence().recommended == searches[1].study.evidence().recommended


@pytest.mark.parametrize(("first", "second"), [("10trials", "30trials"), ("60s", "200s"), ("6trials", "7trials")])
def test_a_larger_budget_continues_a_search(
    make_search: MakeSearch, strength_score: Score, first: str, second: str
) -> None:
    search = make_search(strength_score, None, budget=first)
    search.run()
    rounds, trials, fits = list(search.rounds), search.study.trials, len(search.trained)
    search.budget = second
    search.run()
    assert search.rounds[: len(rounds)] == rounds
    assert search.study.trials > trials
    if "trials" in second:
        assert search.study.trials == int(second.removesuffix("trials"))
    assert len(search.trained) > fits
    assert len(search.trained) == len({(c.label, key) for _, c, key in search.trained})
    last_screen = max(i for i, stage in enumerate(stages(search)) if stage == SCREEN)
    assert COMPARE in stages(search)[last_screen:]  # what was found later is compared
    assert search.study.complete
    search.run()
    assert search.plan().decide() is None


def test_the_same_budget_does_not_continue_a_search(make_search: MakeSearch, strength_score: Score) -> None:
    search = make_search(strength_score, None, budget="20trials")
    search.run()
    trained, rounds = len(search.trained), len(search.rounds)
    search.run()
    assert (len(search.trained), len(search.rounds)) == (trained, rounds)


def test_a_variant_that_is_compared_later_has_other_files(make_search: MakeSearch) -> None:
    """A finalist can be the same recipe on the same fold as an ablated one, which has no predictions on test rows."""
    search = make_search(both_help, RANGES, budget="40trials", folds=2)
    search.run()
    variant = search.study.ablations[0].candidate
    same = Candidate.of(variant.recipe, variant.settings(search.study.training), search.study.training)
    definition = search.study.definition
    assert definition.trial_id(variant) == definition.trial_id(same)
    trial = definition.trial_id(same)
    ids = {definition.fit_id(trial, 0, 0, stage) for stage in STAGES}
    assert len(ids) == len(STAGES)
    assert definition.fit_id(trial, 0, 0) == definition.fit_id(trial, 0, 0, COMPARE)


# ---- messages ---------------------------------------------------------------------------------------


def test_without_a_search_no_range_is_widened(make_search: MakeSearch) -> None:
    search = make_search(l2_helps, {"l2": (1e-4, 1e-2)}, budget="1trial", fixed=["l2=0.01"], folds=3)
    plan = search.run()
    assert search.screening().best().candidate.label == "l2=0.01"
    assert not any("widened" in text for text in plan.messages())


def test_messages_name_techniques_without_effect_and_wider_ranges(make_search: MakeSearch) -> None:
    search = make_search(l2_helps, {"l2": (1e-4, 1e-2), "l1": (1e-4, 1e-2)}, budget="30trials", fixed=["l2=0.01"])
    plan = search.run()
    assert any(
        text.startswith("ranges that were widened: l2.l2 from 0.0001 to 0.01 to 0.0001 to ") for text in plan.messages()
    )


def test_a_space_that_is_used_up_needs_no_larger_budget(make_search: MakeSearch) -> None:
    search = make_search(l2_helps, {"l2": [0.01], "dropout": [0.5]}, budget="10m")
    plan = search.run()
    assert search.study.trials == 3
    assert not any(text.startswith("the budget") for text in plan.messages())


def test_a_study_that_was_interrupted_does_not_blame_the_budget(make_search: MakeSearch) -> None:
    search = make_search(l2_helps, RANGES, budget="10m")
    search.train(search.plan().decide())
    assert any(text.startswith("the budget") for text in search.plan().messages())
    search.study.interrupted = True
    assert search.plan().messages() == []


def test_rounds_say_what_they_do(make_search: MakeSearch, strength_score: Score) -> None:
    search = make_search(strength_score, None, budget="5m", seconds=3.0)
    search.run()
    notes = [each.note for each in search.rounds]
    first = 1 if search.screening().shortens else 3
    plain = search.time(search.study.definition.candidates[0]) * (search.folds - (first == 3))
    times = f"({first} s of 5 min)", f"({first + plain:.0f} s of 5 min)"
    assert notes[:3] == ["first fit", f"screening {times[0]}", f"screening {times[1]}"]
    assert any(re.fullmatch(r"comparing 6 recipes \(\d+ (s|min) of 5 min\)", note) for note in notes)
    seconds = [each.seconds for each in search.rounds]
    assert seconds == sorted(seconds)
    assert seconds[:3] == [0.0, first, first + plain]


def test_recipes_and_settings_are_those_of_recipe_texts(make_search: MakeSearch) -> None:
    search = make_search(l2_helps, RANGES, fixed=["l2=0.01"])
    assert search.study.definition.candidates[1] == Candidate("l2=0.01", Recipe.of("l2=0.01"))
