from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from goodfit.errors import InputError
from goodfit.recipe import Recipe, items, parse
from goodfit.registry import find
from goodfit.stages import OnWeights, Penalty
from goodfit.technique import Knob, Technique
from goodfit.techniques import (
    ALL,
    L1,
    L2,
    BatchNorm,
    Brightness,
    Dropout,
    EarlyStopping,
    GaussianNoise,
    MaxNorm,
    WeightDecay,
)


@pytest.mark.parametrize(
    ("text", "techniques"),
    [
        ("", ()),
        (" , ,", ()),
        ("l2=1e-4", (L2(1e-4),)),
        ("L2=1e-4,dropout=.25", (L2(1e-4), Dropout(0.25))),
        ("dropout", (Dropout(),)),
        ("dropout()", (Dropout(),)),
        ("dropout(0.5)", (Dropout(0.5),)),
        ("dropout(0.5, input_rate=0.1)", (Dropout(0.5, 0.1),)),
        ("dropout(rate=0.5, on='enc.* kernel')", (Dropout(0.5, on="enc.* kernel"),)),
        ("early_stopping=5", (EarlyStopping(patience=5),)),
        ('earlyStopping(5, monitor="val_accuracy", restore_best_weights=false)',
         (EarlyStopping("val_accuracy", patience=5, restore_best_weights=False),)),
        ("MaxNorm=inf, BatchNorm", (MaxNorm(float("inf")), BatchNorm())),
        ("weight_decay(0.1, cautious=True),\n  l1=1", (WeightDecay(0.1, cautious=True), L1(1.0))),
    ],
)  # fmt: skip
def test_text(text: str, techniques: tuple[Technique, ...]) -> None:
    recipe = Recipe.of(text)
    assert recipe.techniques == techniques
    assert Recipe.of(recipe.text()) == recipe


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("droput=0.5", "there is no technique 'droput'. Did you mean 'dropout'?"),
        ("dropout(rat=0.5)", "Dropout: there is no knob 'rat'. Did you mean 'rate'"),
        ("dropout=1.5", r"Dropout: rate must be in \[0, 1\), got rate=1.5"),
        ("dropout=high", r"Dropout: rate must be in \[0, 1\), got rate='high'"),
        ("dropout=high+1", "a value must be a number, true, false or text, got high \\+ 1"),
        ("dropout=__import__('os')", "a value must be a number"),
        ("dropout(0.1, 0.2)", "takes one value without a name"),
        ("dropout(0.1, rate=0.2)", "sets rate twice, got 0.1 and 0.2"),
        ("dropout(rate=0.1, rate=0.2)", "sets a knob twice"),
        ("batch_norm=1", "batch_norm takes no value, got 1; write its name alone"),
        ("l2=0.1 dropout=0.5", "an item must have the form"),
        ("l2=0.1\ndropout=0.5", "an item must have the form"),
        ("l2=0.1; dropout=0.5", "an item must have the form"),
        ("l2=dropout=0.5", "an item must have the form"),
        ("0.5", "an item must have the form"),
        ("os.system('x')", "an item must have the form"),
        ("(lambda: 1)()", "an item must have the form"),
        ("dropout(", "brackets and quotes must be closed"),
        ("dropout(0.5", "brackets and quotes must be closed"),
        ("l2=1e-4)", "brackets and quotes must be closed"),
        ("l2(on='bias)", "brackets and quotes must be closed"),
        ("l2={[]: 1}", r"a value must be a number, true, false or text, got \{\[\]: 1\}"),
        ("l2=0.1, l2=0.2", r"l2 must appear once on the same tensors \(on='kernel'\), got it 2 times"),
        ("ema, ema", "ema must appear once, got it 2 times"),
    ],
)
def test_text_that_is_no_recipe(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as raised:
        Recipe.of(text)
    assert str(raised.value).startswith(("recipe: ", "Dropout: "))


def test_sources() -> None:
    recipe = Recipe.of([L2(0.1), Dropout(0.5)])
    assert Recipe.of(recipe) is recipe
    assert Recipe.of(L2(0.1)) == Recipe((L2(0.1),))
    assert list(recipe) == [L2(0.1), Dropout(0.5)]
    assert (len(recipe), str(recipe), str(Recipe())) == (2, "l2=0.1, dropout=0.5", "plain")
    assert recipe.with_(L1(0.1)).techniques[-1] == L1(0.1)
    assert len(recipe) == 2
    assert recipe.at(OnWeights) == [L2(0.1)]
    assert recipe.with_(WeightDecay()).at(Penalty) == [L2(0.1)]
    two_places = Recipe((L2(0.1), L2(0.2, on="bias")))
    assert Recipe.of(two_places.text()) == two_places
    for wrong in (Dropout, [Dropout], ["l2=0.1"], 3, None):
        with pytest.raises(InputError, match="every item must be a technique such as"):
            Recipe.of(wrong)  # type: ignore[arg-type]


def test_yaml(tmp_path: Path) -> None:
    recipe = Recipe.of("l2=1e-4, dropout(0.25, input_rate=0.1), max_norm=inf, early_stopping=5")
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe
    assert Recipe.from_yaml("recipe: l2=0.1, ema") == Recipe.of("l2=0.1, ema")
    assert Recipe.from_yaml("l2=0.1, ema") == Recipe.of("l2=0.1, ema")
    assert Recipe.from_yaml("format: 1\nrecipe: l2=0.1, ema") == Recipe.of("l2=0.1, ema")
    assert Recipe.from_yaml("") == Recipe.from_yaml("recipe:") == Recipe()
    short = (
        "recipe:\n- technique: l2\n  l2: 1e-4\n- {technique: L1, l1: 2E-05}\n"  # text to YAML 1.1, numbers to people
    )
    assert Recipe.from_yaml(short) == Recipe((L2(1e-4), L1(2e-5)))
    (tmp_path / "best.yaml").write_text(recipe.to_yaml(), encoding="utf-8")
    assert Recipe.load(str(tmp_path / "best.yaml")) == recipe
    assert Recipe.load("l2=0.1") == Recipe.of("l2=0.1")
    with pytest.raises(InputError, match=r"there is no file 'absent\.yml'"):
        Recipe.load("absent.yml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("- technique: l3", "there is no technique 'l3'"),
        ("- l2: 0.1", "each entry must be a mapping with the key 'technique'"),
        ("- 3", "each entry must be a mapping"),
        ("- {technique: l2, l2: -1}", "L2: l2 must be in"),
        ("- {technique: l2, l2: [1]}", "L2: l2 must be in"),
        ("- {technique: l2, strength: 1}", "L2: there is no knob 'strength'"),
        ("[1, 2", "this is not YAML"),
        ("7", "must be a list of techniques, got 7"),
        ("recipe: {technique: l2}", "must be a list of techniques"),
        ("{format: 2, recipe: l2=0.1}", "reads recipe files of format 1, got format=2"),
        ("{format: old, recipe: l2=0.1}", "reads recipe files of format 1, got format='old'"),
        ("- !!python/object/apply:os.system ['echo']", "this is not YAML"),
    ],
)
def test_yaml_that_is_no_recipe(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Recipe.from_yaml(text)


def test_names_are_forgiving() -> None:
    for name in ("weight_decay", "WeightDecay", "weight-decay", "WEIGHTDECAY", "weightdecay"):
        assert find(name) is WeightDecay


def test_pieces() -> None:
    assert items("a, b(c=1, d='x, y'), e='p, q'") == ["a", "b(c=1, d='x, y')", "e='p, q'"]
    assert parse("gaussian_noise(0.5)") == GaussianNoise(0.5)
    with pytest.raises(InputError):
        parse(" ")


def values(knob: Knob) -> st.SearchStrategy[Any]:
    """Any value that a knob allows."""
    if knob.choices:
        return st.sampled_from(knob.choices)
    if isinstance(knob.default, bool):
        return st.booleans()
    if isinstance(knob.default, str):
        return st.sampled_from(["kernel", "bias", "stop_loss", "encoder.* Linear"])
    if isinstance(knob.default, int):
        return st.integers(int(knob.low), int(min(knob.high, 10**9)))
    limits = {"exclude_min": knob.open_left and knob.low > -1e9, "exclude_max": knob.open_right and knob.high < 1e9}
    return st.floats(max(knob.low, -1e9), min(knob.high, 1e9), **limits)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_its_values_a_recipe_reads_back(data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(sorted(ALL)), unique=True, max_size=4))
    techniques = []
    for name in chosen:
        drawn = {knob: data.draw(values(rules)) for knob, rules in ALL[name].knobs().items()}
        try:
            techniques.append(ALL[name].of(drawn))
        except InputError as error:  # two knobs that must fit each other
            assume("must be at most" not in str(error))
            raise
    recipe = Recipe(tuple(techniques))
    assert Recipe.of(recipe.text()) == recipe
    assert Recipe.from_yaml(recipe.to_yaml()) == recipe
    assert Recipe.from_list(recipe.to_list()) == recipe


@pytest.mark.parametrize("classes", ["cat (big)", "a, b)", "it's (x", "both \"kinds\" of 'quotes' (", "back\\slash)"])
def test_brackets_and_quotes_inside_a_value(classes: str) -> None:
    recipe = Recipe((Brightness(0.2, classes=classes), L2(0.1)))
    assert Recipe.of(recipe.text()) == recipe
