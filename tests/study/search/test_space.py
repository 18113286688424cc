"""Spaces: what users may write, candidates at positions and back, and wider ranges."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from goodfit.data import Inputs, TaskSpec
from goodfit.data.text.vocabulary import Vocabulary
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.registry import find
from goodfit.study.candidates import Candidate
from goodfit.study.search.axes import EDGE, Choices, Range
from goodfit.study.search.defaults import default_space
from goodfit.study.search.space import EXCLUSIVE, Space
from goodfit.train.config import Training

USUAL = Training(epochs=30, metric="balanced_accuracy")
WORDS = Vocabulary.of_names(["good", "bad"])
SPECS = {
    "table": TaskSpec("classification", "y", ("a", "b"), (4,), 2, "d"),
    "image": TaskSpec("classification", "y", ("a", "b"), (3, 8, 8), 2, "d", Inputs("image")),
    "sound": TaskSpec("classification", "y", ("a", "b"), (1, 800), 2, "d", Inputs("sound", -1.0, 1.0, 8000)),
    "text": TaskSpec("classification", "y", ("a", "b"), (4,), 2, "d", Inputs("text", words=WORDS)),
    "series": TaskSpec("classification", "y", ("a", "b"), (2, 24), 2, "d", Inputs("series")),
    "video": TaskSpec("classification", "y", ("a", "b"), (1, 6, 8, 8), 2, "d", Inputs("video")),
}
OWN = {
    "batch_norm": True,
    "dropout.rate": (0.1, 0.8),
    "dropout.input_rate": [0.1, 0.2, 0.4],
    "l2": (1e-4, 1e-1),
    "early_stopping": (4, 20),
    "ema": {"choices": [0.5, 2.0]},
    "max_norm": 3,
    "learning_rate": (1e-4, 1e-2),
    "schedule": ["constant", "cosine"],
    "epochs": (10, 30),
    "batch_size": 32,
}


def spaces() -> dict[str, Space]:
    return {"own": Space(OWN)} | {kind: default_space(spec, USUAL) for kind, spec in SPECS.items()}


def positions_of(space: Space, source: random.Random) -> list[float]:
    return [source.random() for _ in space.axes]


# ---- what users write -------------------------------------------------------------------------------


def test_ranges_become_axes_with_the_scale_of_their_knob() -> None:
    space = Space(OWN)
    scales = {axis.name: axis.scale for axis in space.axes}
    assert list(scales) == [
        "batch_norm", "dropout.rate", "dropout.input_rate", "l2.l2", "early_stopping.patience", "ema.half_life",
        "max_norm.max_value", "learning_rate", "schedule", "epochs", "batch_size",
    ]  # fmt: skip
    dropout, l2, patience, epochs = (
        scales[name] for name in ("dropout.rate", "l2.l2", "early_stopping.patience", "epochs")
    )
    assert isinstance(dropout, Range)
    assert isinstance(l2, Range)
    assert isinstance(patience, Range)
    assert isinstance(epochs, Range)
    assert (dropout.low, dropout.high, dropout.log, dropout.whole, dropout.least) == (0.1, 0.8, False, False, 0)
    assert 0.8 < dropout.most < 1
    assert (l2.low, l2.high, l2.log, l2.least, l2.most) == (1e-4, 1e-1, True, 0, math.inf)
    assert (patience.low, patience.high, patience.whole) == (4, 20, True)
    assert (epochs.least, epochs.most) == (10, 30)  # a wider range would change the time of a fit
    assert scales["batch_norm"] == Choices((True,))
    assert scales["dropout.input_rate"] == Choices((0.1, 0.2, 0.4))
    assert scales["ema.half_life"] == Choices((0.5, 2.0))
    assert scales["max_norm.max_value"] == Choices((3.0,))
    assert scales["schedule"] == Choices(("constant", "cosine"))
    assert scales["batch_size"] == Choices((32,))


def test_true_is_a_technique_at_its_defaults() -> None:
    space = Space({"dropout": True})
    assert space.axes[0].scale == Choices((find("dropout")().rate,))  # type: ignore[attr-defined]
    assert space.candidate([1.0], USUAL).recipe == Recipe.of("dropout")


def test_a_pair_of_texts_or_of_choices_is_no_range() -> None:
    assert Space({"optimizer": ["adam", "sgd"]}).axes[0].scale == Choices(("adam", "sgd"))
    assert Space({"l2": {"choices": [1e-3, 1e-1]}}).axes[0].scale == Choices((1e-3, 1e-1))
    assert Space({"l2": (1e-3, 1e-2, 1e-1)}).axes[0].scale == Choices((1e-3, 1e-2, 1e-1))
    assert Space({"l2": [1e-3, 1e-3, 1e-2]}).axes[0].scale == Choices((1e-3, 1e-2))


@pytest.mark.parametrize("count", [1, 2, 4, 8, 10, 14])
def test_the_share_of_off_leaves_about_four_techniques_on(count: int) -> None:
    names = [
        "l1", "l2", "weight_decay", "max_norm", "dropout.rate", "dropout.input_rate", "gaussian_noise.stddev", "mixup",
        "label_smoothing", "ema", "early_stopping", "swap_noise", "cutmix.p", "gaussian_noise.input_stddev",
    ][:count]  # fmt: skip
    space = Space(dict.fromkeys(names, 0.5) | ({"early_stopping": 5} if count > 10 else {}) | {"epochs": (2, 9)})
    on = [1 - axis.off for axis in space.axes if axis.owner]
    assert len(on) == count
    assert sum(on) == pytest.approx(min(count / 2, 4))
    assert space.axis("epochs").off == 0


def test_knobs_that_are_no_strengths_do_not_switch_a_technique_on() -> None:
    space = Space({"early_stopping": (4, 20), "early_stopping.monitor": ["stop_loss", "stop_metric"]})
    patience, monitor = space.axes
    assert (patience.off > 0, monitor.off) == (True, 0)
    assert len(space.candidate([0.0, 1.0], USUAL).recipe) == 0
    (technique,) = space.candidate([1.0, 1.0], USUAL).recipe
    assert (technique.patience, technique.monitor) == (20, "stop_metric")  # type: ignore[attr-defined]


def test_a_technique_of_which_only_a_setting_is_named_is_searched_or_refused() -> None:
    """Its strength is not in the space, so that nothing decides whether it is on."""
    try:
        space = Space({"early_stopping.min_delta": (0.0, 0.1)})
    except InputError:
        return
    recipes = [space.candidate([share], USUAL).recipe for share in (0.0, 0.5, 1.0)]
    assert any(len(recipe) for recipe in recipes)


BAD: list[tuple[Any, str]] = [
    ({}, "must be a mapping such as"),
    (None, "must be a mapping such as .* got None"),
    (["dropout"], r"must be a mapping such as .* got \['dropout'\]"),
    ("dropout", "must be a mapping such as .* got 'dropout'"),
    ({"droput": (0.1, 0.5)}, "no technique or training setting 'droput'. Did you mean 'dropout'"),
    ({"learning_rat": (1e-3, 1e-2)}, "no technique or training setting 'learning_rat'. Did you mean 'learning_rate'"),
    ({"loss": ["mse", "mae"]}, "no technique or training setting 'loss'"),
    ({"metric": ["accuracy"]}, "no technique or training setting 'metric'"),
    ({"dropout.input_rat": (0.1, 0.5)}, "dropout has no knob 'input_rat'. Did you mean 'input_rate'"),
    ({"batch_norm.size": 3}, "batch_norm has no knob 'size'"),
    ({"batch_norm": 0.5}, "batch_norm has no strength and must be true, got batch_norm: 0.5"),
    ({"dropout": (0.8, 0.1)}, "range of dropout must go from low to high, got 0.8 to 0.1"),
    ({"dropout": (0.5, 0.5)}, "range of dropout must go from low to high, got 0.5 to 0.5"),
    ({"l2": (0, 0.1)}, "range of l2 must begin above 0, because its scale is logarithmic, got 0"),
    ({"dropout": (0.1, 1.5)}, r"dropout must be in \[0, 1\), got 1.5"),
    ({"dropout": [0.1, 0.2, -1.0]}, r"dropout must be in \[0, 1\), got -1.0"),
    ({"dropout": "high"}, r"dropout must be in \[0, 1\), got 'high'"),
    ({"dropout": [True, False]}, r"dropout must be in \[0, 1\), got True"),
    ({"dropout": (0.1, math.nan)}, r"dropout must be in \[0, 1\), got nan"),
    ({"dropout": None}, r"dropout must be in \[0, 1\), got None"),
    ({"early_stopping": (4, 20.5)}, "early_stopping must be a whole number .* got 20.5"),
    ({"epochs": (0, 10)}, "epochs must be a whole number .* got 0"),
    ({"epochs": True}, "epochs must be a whole number .* got True"),
    ({"schedule": ["constant", "cosin"]}, "schedule must be one of 'constant', .* got 'cosin'"),
    ({"dropout": []}, r"dropout must have a range or a list of values, got \[\]"),
    ({"dropout": {"choices": []}}, r"dropout must have a range or a list of values, got \[\]"),
    ({"dropout": {"choices": 0.5}}, "dropout must have a range or a list of values, got 0.5"),
    ({"schedule": {"choices": "constant"}}, "schedule must have a range or a list of values, got 'constant'"),
    ({"dropout": (0.1, 0.5), "dropout.rate": (0.2, 0.4)}, "a knob must have one range, got two of dropout.rate"),
    ({3: (0.1, 0.5)}, "no technique or training setting '3'"),
]


@pytest.mark.parametrize(("ranges", "message"), BAD, ids=lambda v: str(v)[:40])
def test_what_is_no_space_is_refused(ranges: Any, message: str) -> None:
    with pytest.raises(InputError, match=f"^space: .*{message}"):
        Space(ranges)


@pytest.mark.parametrize("given_range", [{"low": 0.1, "high": 0.5}, {}, {"choice": [0.1, 0.5]}, [[0.1, 0.5]]])
def test_other_mappings_and_lists_are_refused(given_range: Any) -> None:
    with pytest.raises(InputError, match=r"^space: dropout must"):
        Space({"dropout": given_range})


def test_numbers_of_numpy_are_numbers() -> None:
    assert (
        Space({"l2": (np.float64(1e-3), np.float64(1e-2))}).axes[0].scale == Space({"l2": (1e-3, 1e-2)}).axes[0].scale
    )


def test_a_space_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(
        "dropout: [0.1, 0.8]\nl2: [1e-4, 1e-2]\nbatch_norm: true\nema: {choices: [0.5, 2]}\n"
        "schedule: [constant, cosine]\n"
    )
    expected = Space({"dropout": (0.1, 0.8), "l2": (1e-4, 1e-2), "batch_norm": True, "ema": {"choices": [0.5, 2.0]},
                      "schedule": ["constant", "cosine"]})  # fmt: skip
    assert Space.load(file) == expected
    assert Space.load(str(file)) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("dropout: [0.1", "^space: this is not YAML"),
        ("", "^space: it must be a mapping .* got None"),
        ("- dropout", r"^space: it must be a mapping .* got \['dropout'\]"),
        ("dropout: [0.8, 0.1]", "^space: the range of dropout must go from low to high"),
    ],
)
def test_a_file_without_a_space_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "space.yaml"
    file.write_text(text)
    with pytest.raises(InputError, match=message):
        Space.load(file)


def test_a_file_must_exist_and_be_text(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^space: there is no file '.*none\.yaml'; give the path of a YAML file"):
        Space.load(tmp_path / "none.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00dropout")
    with pytest.raises(InputError, match="is not text in UTF-8"):
        Space.load(tmp_path / "binary.yaml")


def test_spaces_are_equal_by_their_axes() -> None:
    assert Space({"l2": (1e-3, 1e-2)}) == Space({"l2.l2": (1e-3, 1e-2)})
    assert hash(Space({"l2": (1e-3, 1e-2)})) == hash(Space({"l2.l2": (1e-3, 1e-2)}))
    assert Space({"l2": (1e-3, 1e-2)}) != Space({"l2": (1e-3, 2e-2)})
    assert Space({"l2": (1e-3, 1e-2)}).to_list() == [["l2.l2", "0.001 to 0.01"]]


# ---- positions and candidates -----------------------------------------------------------------------


@pytest.mark.parametrize("name", ["own", *SPECS])
def test_every_candidate_has_positions_at_which_it_is(name: str) -> None:
    space, source = spaces()[name], random.Random(0)
    candidates = {space.candidate(positions_of(space, source), USUAL) for _ in range(110)}
    assert len(candidates) > 80
    for candidate in candidates:
        positions = space.positions(candidate, USUAL)
        assert positions is not None
        assert len(positions) == len(space.axes)
        assert all(0 <= p <= 1 for p in positions)
        assert space.candidate(positions, USUAL) == candidate


@pytest.mark.parametrize("name", ["own", *SPECS])
def test_recipes_have_the_techniques_in_the_order_of_the_space(name: str) -> None:
    space, source = spaces()[name], random.Random(1)
    rank = {technique: i for i, technique in enumerate(space.techniques)}
    assert len(rank) == len({axis.owner for axis in space.axes if axis.owner})
    for _ in range(60):
        ranks = [rank[t.name()] for t in space.candidate(positions_of(space, source), USUAL).recipe]
        assert ranks == sorted(set(ranks))


def test_techniques_are_on_as_often_as_their_shares_say() -> None:
    space, source = spaces()["table"], random.Random(2)
    count = 800
    recipes = [space.candidate(positions_of(space, source), USUAL).recipe for _ in range(count)]
    for name in set(space.techniques) - {second for _, second in EXCLUSIVE}:
        shares = [axis.off for axis in space.axes if axis.owner == name]
        expected = 1 - math.prod(shares)
        measured = sum(name in [t.name() for t in recipe] for recipe in recipes) / count
        assert abs(measured - expected) < 4 * math.sqrt(expected * (1 - expected) / count), name


def test_techniques_that_exclude_each_other_are_never_on_together() -> None:
    space, source = Space({"batch_norm": True, "ema": (0.3, 3.0)}), random.Random(3)
    recipes = [[t.name() for t in space.candidate(positions_of(space, source), USUAL).recipe] for _ in range(60)]
    assert ["batch_norm"] in recipes
    assert ["ema"] in recipes
    assert ["batch_norm", "ema"] not in recipes
    both = Candidate("both", Recipe.of("batch_norm, ema=1"))
    assert space.positions(both, USUAL) is None


@pytest.mark.parametrize(
    ("text", "settings"),
    [
        ("l1=0.01", {}),  # no technique of the space
        ("l2=0.5", {}),  # outside its range
        ("l2(0.01, on='0')", {}),  # a knob that the space does not vary
        ("l2=0.01, dropout=0.5", {}),  # another order than that of the space
        ("l2(0.01, on='0'), l2(0.01, on='2')", {}),  # twice
        ("l2=0.01", {"optimizer": "sgd"}),
        ("l2=0.01", {"learning_rate": 1.0}),
    ],
)
def test_candidates_outside_a_space_have_no_positions(text: str, settings: dict[str, Any]) -> None:
    space = Space({"dropout": (0.1, 0.8), "l2": (1e-4, 1e-1), "learning_rate": (1e-4, 1e-2)})
    candidate = Candidate("", Recipe.of(text), Training(**settings) if settings else None)
    assert space.positions(candidate, Training()) is None
    assert space.positions(Candidate("", Recipe.of("l2=0.01")), Training()) is not None
    assert space.positions(Candidate("", Recipe()), Training()) is not None


def test_settings_that_are_not_searched_stay() -> None:
    usual = Training(epochs=7, optimizer="sgd", learning_rate=0.05)
    candidate = Space({"l2": (1e-3, 1e-1), "learning_rate": (1e-3, 1e-2)}).candidate([1.0, 1.0], usual)
    assert candidate.settings(usual) == Training(epochs=7, optimizer="sgd", learning_rate=1e-2)
    assert candidate.label == "l2=0.1; learning_rate=0.01"
    same = Space({"l2": (1e-3, 1e-1)}).candidate([0.0], usual)
    assert (same.label, same.training, len(same.recipe)) == ("plain", None, 0)


def test_a_single_technique_has_neutral_other_strengths() -> None:
    space = Space({"dropout.rate": (0.1, 0.8), "dropout.input_rate": (0.1, 0.5), "l2": (1e-3, 1e-1)})
    (technique,) = space.single(space.axis("dropout.input_rate"), 0.3)
    assert (technique.name(), technique.rate, technique.input_rate) == ("dropout", 0.0, 0.3)  # type: ignore[attr-defined]


def test_a_restricted_space_keeps_settings_and_shares() -> None:
    space = Space(OWN, widen=True)
    smaller = space.restricted(["l2", "dropout"])
    assert smaller.techniques == ["dropout", "l2"]
    assert [axis for axis in smaller.axes if not axis.owner] == [axis for axis in space.axes if not axis.owner]
    assert smaller.axis("l2.l2") == space.axis("l2.l2")
    assert smaller.widen


# ---- wider ranges -----------------------------------------------------------------------------------


def edge_candidate(space: Space, position: float) -> Candidate:
    return space.candidate([position] * len(space.axes), USUAL)


@pytest.mark.parametrize("position", [0.0, 1.0])
def test_a_space_is_widened_only_where_that_is_allowed(position: float) -> None:
    space = Space(OWN)
    assert space.around(edge_candidate(space, position), USUAL) is space


def harm_is_up(axis_owner: str, knob: str, low: float) -> bool:
    """Whether larger values of a strength are further from neutral."""
    neutral = find(axis_owner).knobs()[knob].neutral
    assert isinstance(neutral, int | float)
    return neutral <= low


@pytest.mark.parametrize("name", list(SPECS))
def test_default_ranges_are_widened_towards_harm_and_never_beyond_the_bounds_of_a_knob(name: str) -> None:
    space = spaces()[name]
    for axis in space.axes:
        if not axis.off or not isinstance(axis.scale, Range):
            continue
        rule, scale = find(axis.owner).knobs()[axis.knob], axis.scale
        upward = harm_is_up(axis.owner, axis.knob, scale.low)
        gentle, harmful = (scale.low, scale.high) if upward else (scale.high, scale.low)
        unchanged = space.around(Candidate("", space.single(axis, scale.value(0.0 if upward else 1.0))), USUAL)
        assert unchanged == space, f"{axis.name}={gentle} widens {space.widenings(unchanged)}"
        wider = space
        for _ in range(5):  # each time the most harmful value is the best one
            last = wider.axis(axis.name).scale
            assert isinstance(last, Range)
            wider = wider.around(Candidate("", space.single(axis, last.value(1.0 if upward else 0.0))), USUAL)
            now = wider.axis(axis.name).scale
            assert isinstance(now, Range)
            assert (now.low if upward else now.high) == gentle
            assert now.high >= last.high if upward else now.low <= last.low
            for end in (now.low, now.high):
                assert rule.holds(int(end) if rule.value_type is int else end), f"{axis.name}: {now}"
            for value in map(now.value, (0.0, 0.3, 0.77, 1.0)):
                assert now.share(value) is not None, f"{axis.name}={value} is outside {now}"
                assert space.single(axis, value)  # the technique accepts it
        bounded = wider.axis(axis.name).scale
        assert isinstance(bounded, Range)
        reached = bounded.high == scale.most if upward else bounded.low in (scale.least, pytest.approx(0, abs=1e-9))
        assert reached or (harmful != bounded.high if upward else harmful != bounded.low)


def test_settings_are_widened_in_both_directions_and_costly_ones_not_at_all() -> None:
    space = Space({"learning_rate": (1e-4, 1e-2), "epochs": (10, 30), "l2": (1e-3, 1e-1)}, widen=True)
    for position, expected in ((0.0, (2.5e-5, 1e-2)), (1.0, (1e-4, 4e-2))):
        scale = space.around(edge_candidate(space, position), USUAL).axis("learning_rate").scale
        assert isinstance(scale, Range)
        assert (scale.low, scale.high) == pytest.approx(expected)
    for position in (0.0, 1.0):
        assert space.around(edge_candidate(space, position), USUAL).axis("epochs") == space.axis("epochs")


def test_the_value_is_at_no_edge_of_the_wider_range() -> None:
    space = Space({"l2": (1e-4, 1e-2), "weight_decay": (0.1, 10)}, widen=True)
    best = Candidate("", Recipe.of("l2=0.3, weight_decay=1"))
    wider = space.around(best, USUAL)
    scale = wider.axis("l2.l2").scale
    share = scale.share(0.3)
    assert share is not None
    assert share < 1 - EDGE
    assert wider.axis("weight_decay.rate") == space.axis("weight_decay.rate")
    assert space.widenings(wider) == [f"l2.l2 from 0.0001 to 0.01 to {scale}"]
    assert space.widenings(space) == []
    assert wider.widen


def test_strengths_that_are_off_are_not_widened() -> None:
    space = Space({"dropout.rate": (0.1, 0.8), "dropout.input_rate": (0.05, 0.5)}, widen=True)
    assert space.around(Candidate("", Recipe.of("dropout(0.4, input_rate=0)")), USUAL) == space
    assert space.around(Candidate("", Recipe()), USUAL) == space
