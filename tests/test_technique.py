from __future__ import annotations

import math

import numpy as np
import pytest

from goodfit.errors import InputError
from goodfit.stages import OnBatch, OnWeights, Quadratic
from goodfit.technique import Knob, Record, Technique, knob
from goodfit.techniques import L1, L2, BatchNorm, Dropout, EarlyStopping, ElasticNet, MaxNorm, WeightDecay


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


def test_invalid_values_are_what_holds_refuses() -> None:
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


def test_of_values_and_what_changed() -> None:
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


def test_names_texts_and_stages() -> None:
    assert [t.name() for t in (L2, EarlyStopping, BatchNorm)] == ["l2", "early_stopping", "batch_norm"]
    assert [t.main_knob() for t in (L2, ElasticNet, EarlyStopping, BatchNorm)] == ["l2", "l1", "patience", None]
    assert (L2.stage(), Dropout.stage(), ElasticNet.stage()) == ("OnWeights", "OnModel", "OnWeights")
    assert (OnBatch.stage(), Quadratic.stage()) == ("OnBatch", "OnWeights")
    assert BatchNorm().text() == "batch_norm"
    assert BatchNorm(momentum=0.2).text() == "batch_norm(momentum=0.2)"
    assert L2(0.1, on="bias").text() == "l2(l2=0.1, on='bias')"
    assert L2(0.1).to_dict() == {"technique": "l2", "l2": 0.1, "on": "kernel", "schedule": "constant"}
    assert issubclass(L2, OnWeights)
    assert issubclass(L2, Technique)
