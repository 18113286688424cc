"""Ranges, choices and axes: values at positions, and positions of values."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from goodfit.study.search.axes import EDGE, Axis, Choices, Range, Setting, technique_names

SHARES = [i / 40 for i in range(41)]
RANGES = [
    Range(0.1, 0.8),
    Range(-2.0, 2.0),
    Range(1e-4, 1e-1, log=True),
    Range(1 / 3e3, 1e-2, log=True),  # an end with many digits
    Range(4, 20, whole=True),
    Range(1, 8, whole=True),
    Range(2, 100, log=True, whole=True),
]


def test_a_linear_range_is_divided_evenly() -> None:
    scale = Range(0.0, 0.8)
    assert [scale.value(share) for share in (0.0, 0.25, 0.5, 1.0)] == [0.0, 0.2, 0.4, 0.8]


def test_a_logarithmic_range_is_divided_by_factors() -> None:
    scale = Range(1e-4, 1.0, log=True)
    assert [scale.value(share) for share in (0.0, 0.25, 0.5, 0.75, 1.0)] == [1e-4, 1e-3, 1e-2, 1e-1, 1.0]


@pytest.mark.parametrize("scale", RANGES, ids=str)
def test_values_are_within_their_range_in_order_and_have_two_digits(scale: Range) -> None:
    values = [scale.value(share) for share in SHARES]
    numbers = [float(value) for value in values]
    assert numbers == sorted(numbers)
    assert (numbers[0], numbers[-1]) == (scale.low, scale.high)
    assert len(set(numbers)) > 5
    for value in values:
        assert isinstance(value, int) is scale.whole
        assert scale.whole or value in (scale.low, scale.high) or value == float(f"{value:.2g}")


@pytest.mark.parametrize("scale", RANGES, ids=str)
def test_every_value_has_a_share_at_which_it_is(scale: Range) -> None:
    for value in map(scale.value, SHARES):
        share = scale.share(value)
        assert share is not None
        assert 0 <= share <= 1 + 1e-12
        assert scale.value(share) == value


def test_numbers_outside_and_texts_have_no_share() -> None:
    scale = Range(0.1, 0.8)
    assert [scale.share(value) for value in (0.09, 0.81, "0.5", math.nan)] == [None] * 4
    assert (scale.share(0.1), scale.share(0.8)) == (0.0, 1.0)


def test_a_widened_range_reaches_further_at_one_end() -> None:
    assert Range(1e-3, 1e-1, log=True).widened(upward=True) == Range(1e-3, 0.4, log=True)
    assert Range(4e-3, 1e-1, log=True).widened(upward=False) == Range(1e-3, 1e-1, log=True)
    assert Range(1.0, 3.0).widened(upward=True) == Range(1.0, 4.0)
    assert Range(1.0, 3.0).widened(upward=False) == Range(0.0, 3.0)
    assert Range(0.1, 0.8, least=0.05, most=0.99).widened(upward=True).high == 0.99
    assert Range(0.1, 0.8, least=0.05, most=0.99).widened(upward=False).low == 0.05


@pytest.mark.parametrize(
    "scale", [Range(1, 8, whole=True), Range(4, 9, whole=True), Range(10, 15, whole=True)], ids=str
)
@pytest.mark.parametrize("upward", [True, False])
def test_a_widened_range_of_whole_numbers_has_a_share_for_every_value(scale: Range, upward: bool) -> None:
    wider = scale.widened(upward)
    for value in map(wider.value, SHARES):
        assert wider.share(value) is not None, f"{value} is outside {wider}"


@given(
    low=st.floats(1e-4, 1e-1),
    factor=st.floats(2, 1e3),
    position=st.floats(0, 1),
    beyond=st.floats(0.2, 5),
    log=st.booleans(),
)
@settings(max_examples=150, deadline=None, derandomize=True)
def test_around_leaves_a_value_at_no_edge_unless_the_bounds_are_reached(
    low: float, factor: float, position: float, beyond: float, log: bool
) -> None:
    high = low * factor
    scale = Range(low, high, log, least=low / 50, most=high * 50)
    value = min(max((low + position * (high - low)) * beyond, scale.least), scale.most)
    wider = scale.around(value)
    assert scale.least <= wider.low <= scale.low
    assert scale.high <= wider.high <= scale.most
    share = wider.share(value)
    assert share is not None
    assert share >= EDGE or wider.low == scale.least
    assert share <= 1 - EDGE or wider.high == scale.most


def test_around_a_value_in_the_middle_changes_nothing() -> None:
    scale = Range(1e-4, 1e-2, log=True)
    assert scale.around(1e-3) is scale


def test_around_widens_in_the_allowed_directions_only() -> None:
    scale = Range(1e-4, 1e-2, log=True)
    assert scale.around(1e-2, upward=False) == scale
    assert scale.around(1e-4, downward=False) == scale
    assert scale.around(1e-2, downward=False).low == 1e-4
    assert scale.around(1e-4, upward=False).high == 1e-2


def test_a_logarithmic_range_without_a_bound_is_not_widened_for_ever() -> None:
    wider = Range(1e-3, 1e-1, log=True).around(1e-30)
    assert 0 < wider.low < 1e-9


CHOICES = Choices(("constant", "cosine", "linear"))


def test_choices_have_equal_parts_of_the_positions() -> None:
    values = [CHOICES.value(share) for share in (0.0, 0.32, 0.34, 0.65, 0.67, 0.999, 1.0)]
    assert values == ["constant", "constant", "cosine", "cosine", "linear", "linear", "linear"]
    assert CHOICES.share("cosine") == 0.5
    assert CHOICES.share("step") is None
    assert str(CHOICES) == "constant, cosine, linear"


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_choice_has_a_share_at_which_it_is(count: int) -> None:
    choices = Choices(tuple(range(count)))
    for value in range(count):
        share = choices.share(value)
        assert share is not None
        assert choices.value(share) == value


@pytest.mark.parametrize("off", [0.0, 0.5, 0.81])
@pytest.mark.parametrize("scale", [*RANGES, CHOICES], ids=str)
def test_an_axis_is_off_below_its_share_and_has_all_values_above(scale: Range | Choices, off: float) -> None:
    axis = Axis("l2", "l2", scale, off)
    below = [p for p in SHARES if p < off]
    assert {axis.value(position) for position in below} <= {None}
    above: list[Setting | None] = [axis.value(off + share * (1 - off)) for share in SHARES]
    assert None not in above
    assert axis.value(1.0) == (scale.high if isinstance(scale, Range) else scale.values[-1])
    for value in above:
        position = axis.position(value)
        assert position is not None
        assert off <= position <= 1
        assert axis.value(position) == value


def test_an_axis_has_a_position_for_off_only_if_it_can_be_off() -> None:
    axis = Axis("l2", "l2", Range(0.1, 0.8), off=0.6)
    position = axis.position(None)
    assert position is not None
    assert axis.value(position) is None
    assert Axis("", "learning_rate", Range(0.1, 0.8)).position(None) is None
    assert axis.position(0.9) is None


def test_names_of_axes() -> None:
    axes = [Axis("dropout", "rate", CHOICES), Axis("batch_norm", "", CHOICES), Axis("", "epochs", CHOICES)]
    assert [axis.name for axis in axes] == ["dropout.rate", "batch_norm", "epochs"]
    assert technique_names([*axes, Axis("dropout", "input_rate", CHOICES)]) == ["dropout", "batch_norm"]


def test_neighbouring_positions_have_neighbouring_values() -> None:
    scale = Range(1e-3, 1e-1, log=True)
    pairs = itertools.pairwise(float(scale.value(share)) for share in SHARES)
    assert max(high / low for low, high in pairs) < 1.2  # 100 ** (1 / 40) is 1.12, and rounding adds a little
