"""Samplers: positions that are the same for the same arguments, and that follow the results."""

from __future__ import annotations

import itertools
import math
import random

import numpy as np
import pytest

from goodfit.errors import InputError
from goodfit.study.search.samplers import (
    RANDOM_FIRST,
    RANDOM_SHARE,
    SAMPLER,
    SAMPLERS,
    Result,
    check_sampler,
    propose,
    propose_mixed,
)
from goodfit.study.search.space import Space

SPACE = Space({"l2": (1e-4, 1e-1), "dropout": (0.1, 0.8), "learning_rate": (1e-4, 1e-1)})
ONE = Space({"learning_rate": (1e-4, 1e-1)})
PLANTED = (0.9, 0.2, 0.7)


def planted(positions: list[float] | tuple[float, ...]) -> float:
    """A result that is best at one position."""
    return -sum((p - best) ** 2 for p, best in zip(positions, PLANTED, strict=True))


def random_results(count: int, seed: int = 0) -> list[Result]:
    source = random.Random(seed)
    drawn = [[source.random() for _ in PLANTED] for _ in range(count)]
    return [(positions, planted(positions)) for positions in drawn]


@pytest.mark.parametrize("name", SAMPLERS)
def test_names(name: str) -> None:
    check_sampler(name)
    assert SAMPLER in SAMPLERS
    with pytest.raises(
        InputError, match=rf"^study: sampler must be one of .*{name}.*, got '{name}x'\. Did you mean '{name}'"
    ):
        check_sampler(f"{name}x")


def test_an_unknown_sampler_is_refused() -> None:
    with pytest.raises(InputError, match=r"^study: sampler must be one of tpe, gp, quasi_random, random, got ''"):
        check_sampler("")


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("count", [1, 5])
def test_positions_are_as_many_as_requested_and_within_the_axes(name: str, count: int) -> None:
    for results in ([], random_results(6)):
        positions = propose(name, SPACE, results, count, seed=3)
        assert [len(each) for each in positions] == [3] * count
        assert all(isinstance(p, float) and 0 <= p <= 1 for each in positions for p in each)
        assert len({tuple(each) for each in positions}) == count


@pytest.mark.parametrize("name", SAMPLERS)
def test_positions_follow_from_the_arguments_alone(name: str) -> None:
    results = random_results(8)
    first = propose(name, SPACE, results, 4, seed=3)
    random.seed(99)
    np.random.seed(99)
    assert propose(name, SPACE, results, 4, seed=3) == first
    assert propose(name, SPACE, results, 4, seed=4) != first
    assert propose(name, SPACE, random_results(9), 4, seed=3) != first


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_global_generators_are_not_used(name: str) -> None:
    random.seed(5)
    np.random.seed(5)
    before, numbers = random.getstate(), np.random.get_state()[1].tolist()  # type: ignore[index]
    propose(name, SPACE, random_results(5), 3, seed=1)
    assert random.getstate() == before
    assert np.random.get_state()[1].tolist() == numbers  # type: ignore[index]


def test_the_quasi_random_sequence_is_continued() -> None:
    whole = propose("quasi_random", SPACE, [], 24, seed=7)
    parts: list[list[float]] = []
    while len(parts) < 24:
        parts += propose("quasi_random", SPACE, [(p, 0.0) for p in parts], 6, seed=7)
    assert parts == whole


def test_quasi_random_positions_are_even() -> None:
    positions = np.array(propose("quasi_random", SPACE, [], 64, seed=1))
    for axis in positions.T:
        assert np.bincount((axis * 16).astype(int), minlength=16).tolist() == [4] * 16


@pytest.mark.parametrize("name", ["tpe", "gp"])
def test_guided_positions_are_near_the_best_results(name: str) -> None:
    near, far = [], []
    for seed in range(2):
        guided = propose(name, SPACE, random_results(40, seed), 5, seed)
        near.append(np.mean([planted(p) for p in guided]))
        far.append(np.mean([planted(p) for p in propose("random", SPACE, random_results(40, seed), 50, seed)]))
    assert np.mean(near) > np.mean(far) / 3  # a third of the mean squared distance of random positions


@pytest.mark.parametrize("name", ["tpe", "gp"])
def test_a_failed_result_counts_as_the_worst_one(name: str) -> None:
    source = random.Random(1)
    good = [([0.1 + 0.2 * source.random()], 1.0 + source.random()) for _ in range(11)] + [([0.55], 0.0)]
    failed = [([0.6 + 0.4 * source.random()], math.nan) for _ in range(12)]
    positions = [p for (p,) in propose(name, ONE, [*good, *failed], 6, seed=2)]
    assert sum(p < 0.5 for p in positions) > 3  # the failed ones are above 0.6
    lowest = min(value for _, value in good)
    as_worst: list[Result] = [*good, *((p, lowest) for p, _ in failed)]
    assert [p for (p,) in propose(name, ONE, as_worst, 6, seed=2)] == positions
    assert propose(name, ONE, [*good, *((p, -math.inf) for p, _ in failed)], 6, seed=2) == [[p] for p in positions]


@pytest.mark.parametrize("name", SAMPLERS)
def test_only_failed_results_do_no_harm(name: str) -> None:
    assert len(propose(name, ONE, [([0.3], math.nan), ([0.6], math.nan)], 3, seed=0)) == 3


# ---- random and guided positions together -----------------------------------------------------------


def with_techniques(count: int, techniques: int) -> list[Result]:
    """Results of recipes with this many techniques of the space."""
    source = random.Random(4)
    on = [1.0, 1.0 if techniques == 2 else 0.0]
    return [([*on, source.random()], source.random()) for _ in range(count)]


def is_random(positions: list[float], results: list[Result], count: int) -> bool:
    return positions in propose("random", SPACE, results, count, seed=6)


@pytest.mark.parametrize("name", ["tpe", "gp"])
def test_a_model_guides_the_search_after_enough_results_with_several_techniques(name: str) -> None:
    few, single = with_techniques(RANDOM_FIRST - 1, 2), with_techniques(RANDOM_FIRST + 20, 1)
    for results in ([], few, single):
        assert propose_mixed(name, SPACE, results, 8, seed=6) == propose("random", SPACE, results, 8, seed=6)
    enough = with_techniques(RANDOM_FIRST, 2)
    positions = propose_mixed(name, SPACE, enough, 8, seed=6)
    assert len(positions) == 8
    assert sum(is_random(each, enough, 8) for each in positions) == round(8 * RANDOM_SHARE)
    assert positions[:6] == propose(name, SPACE, enough, 6, seed=6)


@pytest.mark.parametrize("name", ["random", "quasi_random"])
def test_samplers_without_a_model_propose_everything(name: str) -> None:
    for results in ([], with_techniques(RANDOM_FIRST, 2)):
        assert propose_mixed(name, SPACE, results, 5, seed=2) == propose(name, SPACE, results, 5, seed=2)


@pytest.mark.parametrize(("name", "count"), list(itertools.product(SAMPLERS, [0, 1, 2, 3])))
def test_mixed_positions_are_as_many_as_requested(name: str, count: int) -> None:
    for results in ([], with_techniques(RANDOM_FIRST, 2)):
        assert len(propose_mixed(name, SPACE, results, count, seed=0)) == count
