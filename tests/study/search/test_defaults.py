"""The default space: techniques that apply to data and metric, valid ranges, and the strengths that are tried first."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from goodfit.data import METRICS, Inputs, Split, TaskSpec
from goodfit.data.kinds import kind
from goodfit.data.text.vocabulary import Vocabulary
from goodfit.errors import InputError
from goodfit.registry import find
from goodfit.study.candidates import Candidate
from goodfit.study.search.axes import Choices, Range
from goodfit.study.search.defaults import AFTER, BALANCED, BEFORE, GRID, default_space, is_useful, single_techniques
from goodfit.study.search.space import Space
from goodfit.study.study import default_network
from goodfit.train.config import Training
from goodfit.train.population.jobs import Networks, Planner

KINDS = ("table", "series", "image", "video", "sound", "text")
WORDS = Vocabulary.of_names(["good", "bad"])
TABLE = TaskSpec("classification", "y", ("a", "b"), (4,), 2, "d")
NUMBERS = TaskSpec("regression", "y", (), (4,), 1, "d")
IMAGES = TaskSpec("classification", "y", ("a", "b"), (3, 8, 8), 2, "d", Inputs("image"))
VIDEOS = TaskSpec("classification", "y", ("a", "b"), (1, 6, 8, 8), 2, "d", Inputs("video"))
MASKS = TaskSpec("segmentation", "y", ("a", "b"), (3, 8, 8), 2, "d", Inputs("image"))
SOUNDS = TaskSpec("classification", "y", ("a", "b"), (1, 800), 2, "d", Inputs("sound", -1.0, 1.0, 8000))
SERIES = TaskSpec("classification", "y", ("a", "b"), (2, 24), 2, "d", Inputs("series"))
TEXTS = TaskSpec("classification", "y", ("a", "b"), (4,), 2, "d", Inputs("text", words=WORDS))
NUMBERS_OF_IMAGES = dataclasses.replace(IMAGES, task="regression", classes=(), n_outputs=1)
ALL = {
    "table": TABLE, "regression": NUMBERS, "image": IMAGES, "video": VIDEOS, "masks": MASKS, "sound": SOUNDS,
    "series": SERIES, "text": TEXTS, "numbers of images": NUMBERS_OF_IMAGES,
}  # fmt: skip
EVERYWHERE = {"batch_norm", "dropout", "l1", "l2", "weight_decay", "max_norm", "ema", "early_stopping"}


def searched(spec: TaskSpec, metric: str = "accuracy") -> set[str]:
    return set(default_space(spec, Training(metric=metric)).techniques)


# ---- which techniques -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(ALL))
def test_techniques_for_any_network_are_always_searched(name: str) -> None:
    assert searched(ALL[name]) >= EVERYWHERE


def test_augmentations_are_those_of_the_data_kind() -> None:
    own = {name: searched(ALL[name]) - searched(TABLE) for name in ("image", "video", "sound", "series", "text")}
    assert own["image"] >= {"shift", "rotation", "zoom", "brightness", "contrast", "cut_out"}
    assert own["video"] >= {"shift", "rotation", "zoom", "brightness", "contrast"}
    assert own["sound"] >= {"sound_shift", "spec_augment", "speed", "sound_noise"}
    assert own["series"] >= {"jitter", "series_scaling"}
    assert own["text"] >= {"word_dropout", "synonyms", "random_deletion", "random_swap"}
    assert "swap_noise" in searched(TABLE)
    assert not own["image"] & own["sound"]
    assert not {"mixup", "cutmix"} & searched(TEXTS)  # words cannot be mixed
    assert {"mixup"} <= searched(TABLE) & searched(IMAGES) & searched(SOUNDS)
    assert {"word_dropout", "synonyms"} & searched(dataclasses.replace(TEXTS, inputs=Inputs("text", vocabulary=4))) <= {
        "word_dropout"  # the others need the words
    }


@pytest.mark.parametrize("metric", sorted(METRICS))
@pytest.mark.parametrize("spec", [TABLE, IMAGES, TEXTS], ids=lambda spec: spec.inputs.kind)
def test_class_weights_are_searched_for_balanced_metrics_and_smoothing_where_order_and_chances_do_not_count(
    spec: TaskSpec, metric: str
) -> None:
    names = searched(spec, metric)
    assert ("class_weights" in names) is (metric in BALANCED)
    ranks_or_chances = {
        "log_loss", "log_loss_calibrated", "brier_score", "calibration_error", "roc_auc", "average_precision",
    }  # fmt: skip
    assert ("label_smoothing" in names) is (metric not in ranks_or_chances)


def test_balanced_metrics_exist() -> None:
    assert {"balanced_accuracy", "f1_macro"} <= set(BALANCED) <= set(METRICS)
    assert not {"accuracy", "log_loss"} & set(BALANCED)


@pytest.mark.parametrize("spec", [NUMBERS, NUMBERS_OF_IMAGES], ids=lambda spec: spec.inputs.kind)
def test_regression_has_no_technique_for_labels(spec: TaskSpec) -> None:
    names = searched(spec, "rmse")
    assert not {"label_smoothing", "class_weights"} & names
    assert all(find(name)().needs_targets in ("any", "numbers") for name in names)


@pytest.mark.parametrize("name", list(ALL))
@pytest.mark.parametrize("metric", ["balanced_accuracy", "log_loss"])
def test_all_techniques_apply_to_the_kind_of_data(name: str, metric: str) -> None:
    spec = ALL[name]
    channels, words = spec.input_shape[0], spec.inputs.words is not None
    for technique in searched(spec, metric):
        assert spec.inputs.data_kind.accepts(find(technique)(), channels, words), technique


def planned(split: Split, space: Space) -> list[str]:
    """The techniques of a space that the usual network for the data refuses, when they are alone."""
    network = "mel_cnn:4" if split.spec.inputs.kind == "sound" else default_network(split)  # the sounds are short
    planner = Planner(Networks(network, fresh=True), None)
    refused = []
    for axis in space.axes:
        if axis.off:
            try:
                planner(split, space.single(axis, axis.scale.value(0.5)), Training())
            except InputError as error:
                refused.append(f"{axis.name}: {error}")
    return refused


@pytest.mark.parametrize("name", ["three_class", "regression", "image", "sound", "series", "text"])
def test_the_usual_network_of_a_data_kind_accepts_nearly_all_techniques(
    name: str, request: pytest.FixtureRequest
) -> None:
    split: Split = request.getfixturevalue(f"{name}_split")
    refused = planned(split, default_space(split.spec, Training(metric="accuracy")))
    assert len(refused) <= 1, refused


# ---- ranges and strengths ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(ALL))
def test_all_ranges_are_within_the_bounds_of_their_knobs(name: str) -> None:
    for metric in ("balanced_accuracy", "log_loss"):
        for axis in default_space(ALL[name], Training(metric=metric)).axes:
            if not axis.knob:
                continue
            rule = find(axis.owner).knobs()[axis.knob] if axis.owner else Training.knobs()[axis.knob]
            for share in (0.0, 0.1, 0.5, 0.9, 1.0):
                value = axis.scale.value(share)
                assert rule.holds(value), f"{axis.name}={value} must be {rule.rule()}"
                assert not axis.owner or value != rule.neutral


@pytest.mark.parametrize("kind_name", KINDS)
def test_all_strengths_that_are_tried_first_are_valid_and_weakest_first(kind_name: str) -> None:
    own = kind(kind_name)
    for name, values in {**GRID, **own.grid}.items():
        owner, _, knob = name.partition(".")
        technique = find(owner)
        knob = knob or technique.main_knob() or ""
        assert len(values)
        if not knob:
            assert tuple(values) == (True,)
            continue
        rule = technique.knobs()[knob]
        assert all(rule.holds(value) for value in values), name
        assert isinstance(rule.neutral, int | float)
        distances = [
            abs(1 / value - 1 / rule.neutral) if rule.neutral > 10 else value - rule.neutral for value in values
        ]
        assert distances == sorted(distances), f"{name}: {values}"
        assert all(technique.of({knob: value}) for value in values)


@pytest.mark.parametrize("kind_name", KINDS)
def test_strengths_that_are_tried_first_belong_to_a_searched_technique_and_are_in_its_range(kind_name: str) -> None:
    own = kind(kind_name)
    ranges: dict[str, Any] = {**BEFORE, **own.ranges, **AFTER}
    for name, values in {**GRID, **own.grid}.items():
        assert name in ranges
        if ranges[name] is not True:
            low, high = ranges[name]
            assert all(low <= value <= high for value in values), name


def test_ranges_of_settings_follow_from_the_usual_ones() -> None:
    space = default_space(TABLE, Training(epochs=60, learning_rate=0.003))
    rate, schedule, epochs = (space.axis(name).scale for name in ("learning_rate", "schedule", "epochs"))
    assert isinstance(rate, Range)
    assert isinstance(epochs, Range)
    assert (rate.low, rate.high) == pytest.approx((0.001, 0.03))
    assert rate.log
    assert (epochs.low, epochs.high, epochs.whole) == (20, 60, True)
    assert schedule == Choices(("constant", "cosine"))
    assert space.widen
    for few in (1, 2):
        assert default_space(TABLE, Training(epochs=few)).axis("epochs").scale == Choices((few,))
    three = default_space(TABLE, Training(epochs=3)).axis("epochs").scale
    assert isinstance(three, Range)
    assert (three.low, three.high) == (1, 3)


def test_the_usual_settings_are_in_the_default_space() -> None:
    for training in (Training(), Training(epochs=60, learning_rate=0.002), Training(epochs=1)):
        space = default_space(TABLE, training)
        assert space.positions(space.candidate([0.0] * len(space.axes), training), training) is not None
        for axis in space.axes:
            if not axis.owner:
                assert axis.position(getattr(training, axis.knob)) is not None, axis.name


# ---- single techniques ------------------------------------------------------------------------------


def test_each_strength_of_a_space_is_tried_alone() -> None:
    space = default_space(TABLE, Training(metric="accuracy"))
    singles = single_techniques(space, TABLE)
    assert list(singles) == [axis.name for axis in space.axes if axis.off]
    assert [r.text() for r in singles["l1.l1"]] == ["l1=0.0001", "l1=0.001", "l1=0.003"]
    assert [r.text() for r in singles["dropout.input_rate"]] == [
        "dropout(rate=0.0, input_rate=0.1)", "dropout(rate=0.0, input_rate=0.3)", "dropout(rate=0.0, input_rate=0.5)",
    ]  # fmt: skip
    for name, recipes in singles.items():
        for recipe in recipes:
            assert [t.name() for t in recipe] == [name.partition(".")[0]]


def test_strengths_outside_a_space_are_replaced_by_those_of_its_range() -> None:
    space = Space({"l2": (1e-3, 2e-2), "l1": (1.0, 3.0), "max_norm": [0.7], "batch_norm": True,
                   "epochs": (1, 3)})  # fmt: skip
    singles = {name: [r.text() for r in recipes] for name, recipes in single_techniques(space, TABLE).items()}
    assert singles["l2.l2"] == ["l2=0.001", "l2=0.01"]
    assert singles["l1.l1"] == ["l1=1.3", "l1=1.7", "l1=2.3"]  # 3 ** 0.25 is 1.316, …
    assert singles["max_norm.max_value"] == ["max_norm=0.7"]
    assert singles["batch_norm"] == ["batch_norm"]
    assert "epochs" not in singles


@pytest.mark.parametrize("name", list(ALL))
def test_single_techniques_are_in_the_space(name: str) -> None:
    usual = Training(metric="balanced_accuracy")
    space = default_space(ALL[name], usual)
    for recipes in single_techniques(space, ALL[name]).values():
        for recipe in recipes:
            assert space.positions(Candidate(recipe.text(), recipe), usual) is not None, recipe.text()


def test_usefulness_of_a_name_with_a_knob() -> None:
    assert is_useful("dropout.input_rate", TABLE, "accuracy")
    assert not is_useful("cutmix.p", TEXTS, "accuracy")
    with pytest.raises(InputError):
        is_useful("droput.rate", TABLE, "accuracy")
