"""Recipes without one technique, and with other strengths."""

from __future__ import annotations

import pytest

from goodfit.recipe import Recipe
from goodfit.study.candidates import Candidate
from goodfit.study.search.variants import FACTORS, sweep, without_each
from goodfit.train.config import Training


def swept(text: str) -> dict[str, list[float]]:
    return {name: [value for value, _ in own] for name, own in sweep(Candidate("", Recipe.of(text))).items()}


def test_each_technique_is_left_out_once() -> None:
    training = Training(epochs=3)
    variants = without_each(Candidate("best", Recipe.of("dropout=0.3, l2=0.01, ema=1"), training))
    assert [v.recipe.text() for v in variants] == ["l2=0.01, ema=1.0", "dropout=0.3, ema=1.0", "dropout=0.3, l2=0.01"]
    assert {v.training for v in variants} == {training}
    assert [v.label.partition(":")[0] for v in variants] == ["without dropout", "without l2", "without ema"]


@pytest.mark.parametrize("text", ["", "l2=0.01"])
def test_fewer_than_two_techniques_have_no_ablation(text: str) -> None:
    assert without_each(Candidate("", Recipe.of(text))) == []


def test_layers_distinguish_techniques_of_one_name() -> None:
    variants = without_each(Candidate("", Recipe.of("l2(0.01, on='0'), l2(0.1, on='2')")))
    assert [v.label.partition(":")[0] for v in variants] == ["without l2(on=0)", "without l2(on=2)"]
    assert len({v.recipe for v in variants}) == 2
    assert list(sweep(Candidate("", Recipe.of("l2(0.01, on='0'), l2(0.1, on='2')")))) == ["l2(on=0).l2", "l2(on=2).l2"]


def test_strengths_are_multiplied() -> None:
    assert swept("l2=0.01") == {"l2.l2": [1e-4, 1e-3, 0.0033, 0.03, 0.1]}
    assert swept("weight_decay=2") == {"weight_decay.rate": [0.02, 0.2, 0.67, 6.0, 20.0]}
    assert len(FACTORS) == 5


def test_large_shares_halve_their_distance_from_one() -> None:
    assert swept("dropout=0.8") == {"dropout.rate": [0.008, 0.08, 0.27, 0.9, 0.96]}
    assert swept("cutmix(p=1.0)")["cutmix.p"] == [0.01, 0.1, 0.33]  # nothing is beyond 1


def test_neutral_strengths_are_not_swept() -> None:
    assert list(swept("dropout(rate=0.0, input_rate=0.2)")) == ["dropout.input_rate"]
    assert swept("batch_norm") == {}
    assert swept("") == {}


@pytest.mark.parametrize("text", ["early_stopping=4", "early_stopping=10", "early_stopping=2"])
def test_whole_strengths_are_whole_and_each_is_there_once(text: str) -> None:
    (values,) = swept(text).values()
    assert all(isinstance(value, int) for value in values)
    assert values == sorted(set(values)), "a strength would be trained twice"


@pytest.mark.parametrize(
    "text",
    ["l2=0.01, dropout(0.5, input_rate=0.2), early_stopping=10, max_norm=1, label_smoothing=0.1, mixup=0.4, ema=1"],
)
def test_variants_change_one_strength_and_are_valid(text: str) -> None:
    training = Training(learning_rate=0.02)
    recipe = Recipe.of(text)
    variants = sweep(Candidate("best", recipe, training))
    assert len(variants) == 8
    for name, own in variants.items():
        technique, _, knob = name.partition(".")
        for value, candidate in own:
            assert candidate.training == training
            changed = [(a, b) for a, b in zip(recipe, candidate.recipe, strict=True) if a != b]
            ((before, after),) = changed
            assert before.name() == technique
            assert after.changed().keys() | before.changed().keys() >= {knob}
            assert {n for n in before.values() if before.values()[n] != after.values()[n]} == {knob}
            assert getattr(after, knob) == value
