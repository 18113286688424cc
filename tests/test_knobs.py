from __future__ import annotations

import math

import numpy as np
import pytest

from goodfit.errors import InputError
from goodfit.knobs import Knob, Record, knob
from goodfit.techniques import L1, L2, Dropout, MaxNorm, WeightDecay


class Example(Record):
    share: float = knob(0.5, low=0, high=1, open_right=True)
    count: int = knob(3, low=1, high=5)
    bound: float = knob(math.inf, low=0, open_left=True)
    mode: str = knob("a", choices=("a", "b"))
    flag: bool = knob(False)
    text: str = knob("x")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"share": 1.0}, "Example: share must be in [0, 1), got share=1.0."),
        ({"share": -0.1}, "Example: share must be in [0, 1), got share=-0.1."),
        ({"share": "0.5"}, "Example: share must be in [0, 1), got share='0.5'."),
        ({"share": True}, "Example: share must be in [0, 1), got share=True."),
        ({"count": 2.5}, "Example: count must be a whole number in [1, 5], got count=2.5."),
        ({"count": 6}, "Example: count must be a whole number in [1, 5], got count=6."),
        ({"count": False}, "Example: count must be a whole number in [1, 5], got count=False."),
        ({"bound": 0}, "Example: bound must be in (0, inf], got bound=0.0."),
        ({"bound": math.nan}, "Example: bound must be in (0, inf], got bound=nan."),
        ({"mode": "c"}, "Example: mode must be one of 'a', 'b', got mode='c'."),
        ({"flag": 1}, "Example: flag must be true or false, got flag=1."),
        ({"text": 1}, "Example: text must be text, got text=1."),
        ({"share": None}, "Example: share must be in [0, 1), got share=None."),
    ],
)
def test_error_texts(values: dict[str, object], says: str) -> None:
    with pytest.raises(InputError) as raised:
        Example(**values)  # type: ignore[arg-type]
    assert str(raised.value) == says


def test_no_end_only_where_it_is_declared() -> None:
    for technique, value in ((L2, math.inf), (L1, math.inf), (WeightDecay, math.inf), (MaxNorm, -math.inf)):
        with pytest.raises(InputError, match="inf"):
            technique(value)
    assert MaxNorm(math.inf).max_value == math.inf
    assert Knob(1.0, low=0).rule() == "in [0, inf)"
    assert Knob(1.0, low=0, neutral=math.inf).rule() == "in [0, inf]"
    assert math.inf in Knob(1.0, low=0).invalid()
    assert math.inf not in Knob(1.0, low=0, neutral=math.inf).invalid()


def test_invalid_values_are_refused_by_holds() -> None:
    for rules in Example.knobs().values():
        assert len(rules.invalid()) >= 3
        assert not any(rules.holds(value) for value in rules.invalid())
    assert 2.5 not in Knob(0.5).invalid()
    assert 3.5 in Example.knobs()["count"].invalid()


def test_numbers_of_numpy_become_plain_ones() -> None:
    """As a grid of np.logspace gives them: they must print, and be stored, as numbers."""
    record = Example(share=np.float32(0.25), count=np.int64(2), bound=np.float64(3))
    assert repr(record).startswith("Example(share=0.25, count=2, bound=3.0")
    assert {type(v) for v in (record.share, record.bound)} == {float}
    assert type(record.count) is int
    assert Dropout(np.float64(0.25)).text() == "dropout=0.25"
    assert type(Dropout(1 - 1).rate) is float
    with pytest.raises(InputError, match="share"):
        Example(share=np.float64("nan"))
    with pytest.raises(InputError, match="share"):
        Example(share=np.bool_(True))  # type: ignore[arg-type]


def test_records_from_values_and_changed_values() -> None:
    record = Example.of({"share": 0.25, "mode": "b"})
    assert record.changed() == {"share": 0.25, "mode": "b"}
    assert record.values()["count"] == 3
    assert Example.of(record.values()) == record
    with pytest.raises(InputError, match=r"Example: there is no knob 'shre'\. Did you mean 'share'"):
        Example.of({"shre": 1})


def test_with_values_leaves_the_checks_out() -> None:
    twin = Example().with_values(share=7.0)
    assert (twin.share, twin.count) == (7.0, 3)
    assert type(twin) is Example


class Automatic(Record):
    size: int | tuple[int, int] | None = knob(None, value_type=int, low=1, pair=True)
    seconds: float | None = knob(None, value_type=float, low=0, open_left=True)
    column: str | None = knob(None, value_type=str)


def test_none_is_allowed_where_it_is_the_default() -> None:
    assert Automatic() == Automatic(size=None, seconds=None, column=None)
    assert Automatic(seconds=np.float32(2)).seconds == 2.0  # type: ignore[arg-type]
    assert Automatic(column="x").changed() == {"column": "x"}
    assert [k.rule() for k in Automatic.knobs().values()] == [
        "a whole number in [1, inf), two of these numbers, or None",
        "in (0, inf) or None",
        "text or None",
    ]
    for rules in Automatic.knobs().values():
        assert rules.holds(None)
        assert not any(rules.holds(value) for value in rules.invalid())


def test_pairs_of_numbers() -> None:
    assert Automatic(size=[np.int64(2), 3]).size == (2, 3)  # type: ignore[arg-type]
    assert Automatic(size=4).size == 4
    for wrong in ((1,), (1, 2, 3), (1, 0), (1.5, 2), 0, True):
        with pytest.raises(InputError, match=r"Automatic: size must be a whole number in \[1, inf\), two of"):
            Automatic(size=wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"seconds must be in \(0, inf\) or None, got seconds=\(1.0, 2.0\)"):
        Automatic(seconds=(1.0, 2.0))  # type: ignore[arg-type]


def test_values_of_unknown_knobs_are_refused() -> None:
    with pytest.raises(InputError, match=r"Dropout: there is no knob 'rat'\. Did you mean 'rate'\?"):
        Dropout().with_values(rat=0.1)
