"""Folds, repeats and seed."""

from __future__ import annotations

from typing import Any

import pytest

from goodfit.errors import InputError
from goodfit.study import Protocol


def test_folds_and_repeats_are_chosen_later() -> None:
    assert Protocol().values() == {"folds": None, "repeats": None, "seed": 0}
    assert Protocol(folds=10, seed=3).changed() == {"folds": 10, "seed": 3}
    assert Protocol().with_values(folds=2) == Protocol(folds=2)


def test_values_make_the_same_protocol() -> None:
    protocol = Protocol(folds=3, repeats=2, seed=7)
    assert Protocol.of(protocol.values()) == protocol
    assert hash(Protocol.of(protocol.values())) == hash(protocol)


@pytest.mark.parametrize("name", ["folds", "repeats"])
@pytest.mark.parametrize("value", [0, -1, 101, True, 1.5, "three"])
def test_numbers_of_folds_and_repeats_are_whole_and_at_most_100(name: str, value: Any) -> None:
    with pytest.raises(
        InputError, match=rf"Protocol: {name} must be a whole number in \[1, 100\] or None, got {name}="
    ):
        Protocol(**{name: value})


@pytest.mark.parametrize("seed", [-1, 0.5, "a"])
def test_the_seed_is_a_whole_number(seed: Any) -> None:
    with pytest.raises(InputError, match=r"Protocol: seed must be a whole number in \[0, inf\), got seed="):
        Protocol(seed=seed)
