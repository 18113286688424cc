"""The recipes that a study compares."""

import json

import pytest

from goodfit.data import Inputs, TaskSpec
from goodfit.data.kinds import kind
from goodfit.data.text.vocabulary import Vocabulary
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.stages import Augmentation
from goodfit.study.candidates import (
    COMBINATION,
    DEFAULT_TECHNIQUES,
    PLAIN,
    Candidate,
    applies_to,
    candidates_from,
    default_candidates,
)
from goodfit.technique import Technique
from goodfit.techniques import ALL
from goodfit.train.config import Training

CLASSES = TaskSpec("classification", "y", ("a", "b"), (4,), 2, "d")
NUMBERS = TaskSpec("regression", "y", (), (4,), 1, "d")


def accepts_tables(technique: type[Technique]) -> bool:
    return not issubclass(technique, Augmentation) or "table" in technique.kinds


def images(channels: int) -> TaskSpec:
    return TaskSpec("classification", "y", ("a", "b"), (channels, 8, 8), 2, "d", Inputs("image"))


def test_plain_comes_first_then_single_techniques_then_the_combination() -> None:
    plan = default_candidates(CLASSES)
    assert [c.label for c in plan] == ["plain", *DEFAULT_TECHNIQUES, "combined"]
    assert len(plan[0].recipe) == 0
    for candidate in plan[1:-1]:
        assert candidate.recipe.techniques == (ALL[candidate.label](),)
    assert plan[-1].recipe == Recipe.of(COMBINATION)


def test_catalogue_includes_every_technique_for_the_task() -> None:
    labels = [c.label for c in default_candidates(CLASSES, catalogue=True)]
    assert labels == [
        "plain",
        *(n for n, t in sorted(ALL.items()) if t.needs_targets != "numbers" and accepts_tables(t)),
        "combined",
    ]
    assert set(DEFAULT_TECHNIQUES) < set(labels)


def test_images_get_augmentations_that_keep_the_class() -> None:
    plan = {c.label: c.recipe.text() for c in default_candidates(images(1))}
    assert set(DEFAULT_TECHNIQUES) < set(plan)
    assert plan["shift"] == "shift=0.1"
    assert plan["rotation=10.0"] == "rotation=10.0"
    assert plan["combined"].startswith(kind("image").combination)
    assert not any("flip" in text or "turn" in text for text in plan.values())


def test_sound_augmentations_are_not_combined() -> None:
    spec = TaskSpec("classification", "y", ("a", "b"), (1, 800), 2, "d", Inputs("sound", -1.0, 1.0, 8000))
    plan = {c.label: c.recipe for c in default_candidates(spec)}
    alone = set(plan) - set(DEFAULT_TECHNIQUES) - {"plain", "combined"}
    assert alone == {"sound_shift", "spec_augment", "speed"}
    assert plan["combined"] == Recipe.of(COMBINATION)


def test_text_augmentations_need_a_vocabulary() -> None:
    removal = Recipe.of("word_removal(0.3, by=tf_idf)").text()
    for inputs, known in (
        (Inputs("text", words=Vocabulary.of_names(["good", "bad"])), True),
        (Inputs("text", vocabulary=4), False),
    ):
        spec = TaskSpec("classification", "y", ("a", "b"), (4,), 2, "d", inputs)
        plan = {c.label: c.recipe for c in default_candidates(spec)}
        assert (removal in plan, "synonyms=0.2" in plan) == (known, known)
        assert {"plain", "l2", "word_dropout=0.5", "combined"} < set(plan)
        assert "mixup" not in plan  # words cannot be mixed
        names = [t.name() for t in plan["combined"]]
        others = [t.name() for t in Recipe.of(COMBINATION)]
        assert names == ["word_removal"] * known + ["word_dropout"] + others


def test_colour_augmentations_need_three_channels() -> None:
    labels = [{c.label for c in default_candidates(images(n), catalogue=True)} for n in (1, 3)]
    assert labels[1] - labels[0] == {"hue", "saturation"}


def test_regression_has_no_label_smoothing() -> None:
    plan = default_candidates(NUMBERS)
    assert [c.label for c in plan] == ["plain", *(n for n in DEFAULT_TECHNIQUES if n != "label_smoothing"), "combined"]
    names = [t.name() for t in plan[-1].recipe]
    assert names == [t.name() for t in Recipe.of(COMBINATION) if t.name() != "label_smoothing"]


def test_user_recipes_come_once_each_after_plain() -> None:
    first, second = Recipe.of("l2=1e-3"), Recipe.of("dropout=0.5, l2=1e-3")
    plan = candidates_from([first, Recipe(), second, Recipe.of("l2=0.001")])
    assert [(c.label, c.recipe) for c in plan] == [
        ("plain", Recipe()), ("l2=0.001", first), ("dropout=0.5, l2=0.001", second),
    ]  # fmt: skip


# ---- training settings of a candidate ---------------------------------------------------------------

USUAL = Training(epochs=30, learning_rate=0.01)


def test_the_label_names_the_settings_that_are_not_the_usual_ones() -> None:
    changed = Training(epochs=30, learning_rate=0.1, schedule="cosine")
    own = Candidate.of(Recipe.of("l2=0.1"), changed, USUAL)
    assert (own.label, own.training) == ("l2=0.1; learning_rate=0.1, schedule=cosine", changed)
    assert Candidate.of(Recipe(), changed, USUAL).label == "plain; learning_rate=0.1, schedule=cosine"
    assert Candidate.of(Recipe.of("l2=0.1"), USUAL, USUAL) == Candidate("l2=0.1", Recipe.of("l2=0.1"))
    assert Candidate.of(Recipe(), USUAL, USUAL) == Candidate("plain", Recipe())


def test_settings_are_those_of_the_candidate_or_the_usual_ones() -> None:
    changed = Training(epochs=5)
    assert Candidate("", Recipe(), changed).settings(USUAL) == changed
    assert Candidate("", Recipe()).settings(USUAL) == USUAL


def test_candidates_are_the_same_after_json() -> None:
    for training in (None, Training(epochs=5, optimizer="sgd", learning_rate=0.1)):
        candidate = Candidate("some label", Recipe.of("dropout(0.3, on='0'), max_norm=inf, l2=1e-5"), training)
        assert Candidate.from_dict(json.loads(json.dumps(candidate.to_dict()))) == candidate


def test_unknown_techniques_and_settings_are_refused() -> None:
    values = Candidate("", Recipe.of("l2=0.1"), Training(epochs=5)).to_dict()
    with pytest.raises(InputError, match="l22"):
        Candidate.from_dict(json.loads(json.dumps(values).replace('"l2"', '"l22"')))
    with pytest.raises(InputError, match="no knob 'epoch'"):
        Candidate.from_dict(values | {"training": {"epoch": 5}})


def test_techniques_apply_by_kind_of_data_and_targets() -> None:
    rotation, smoothing, hue = Recipe.of("rotation, label_smoothing, hue").techniques
    assert [applies_to(rotation, spec) for spec in (CLASSES, images(1))] == [False, True]
    assert [applies_to(smoothing, spec) for spec in (CLASSES, NUMBERS, images(1))] == [True, False, True]
    assert [applies_to(hue, images(channels)) for channels in (1, 3)] == [False, True]


def test_candidates_keep_their_own_settings() -> None:
    usual = Training(epochs=5)
    longer = Candidate.of(Recipe(), Training(epochs=9), usual)
    named = Candidate("mine", Recipe.of("l2=0.1"), Training(epochs=9))
    plan = candidates_from([longer, "l2=0.1", named, named])
    assert [c.label for c in plan] == [PLAIN, "plain; epochs=9", "l2=0.1", "mine"]
    assert plan[1:] == [longer, Candidate("l2=0.1", Recipe.of("l2=0.1")), named]


def test_two_recipes_with_one_label_are_refused() -> None:
    with pytest.raises(InputError, match="label of its own, got 'plain' for two; rename one"):
        candidates_from([Candidate(PLAIN, Recipe.of("l2=0.1"))])
