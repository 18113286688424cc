from __future__ import annotations

import inspect
import math

import pytest

from goodfit import stages
from goodfit.stages import MonitorSpec
from goodfit.technique import Technique
from goodfit.techniques import ALL

STAGES = ("OnSample", "OnBatch", "OnModel", "OnLoss", "OnGrads", "OnWeights", "OnEval", "OnEpoch")


def test_eight_stages_each_abstract() -> None:
    base_names = {c.__name__ for c in vars(stages).values() if inspect.isclass(c) and c.__name__.startswith("On")}
    assert base_names == set(STAGES)
    for name in STAGES:
        assert issubclass(getattr(stages, name), Technique)
    for kind in vars(stages).values():
        if (
            inspect.isclass(kind)
            and issubclass(kind, Technique)
            and kind not in (Technique, stages.Scheduled, stages.OnModel, stages.OnWeights)
        ):
            assert inspect.isabstract(kind), kind
            with pytest.raises(TypeError, match="abstract"):
                kind()


def test_every_technique_says_where_it_acts() -> None:
    for technique in ALL.values():
        assert technique.stage() in STAGES
        assert not inspect.isabstract(technique)
        folder = technique.__module__.split(".")[-2]
        if issubclass(technique, stages.Augmentation) and folder != "batch":
            assert folder in technique.kinds  # augmentations live with the kind of data that they change
        else:
            assert technique.stage() == "On" + folder.capitalize()


def test_no_concrete_method_is_overridden() -> None:
    """Abstract or final."""
    for technique in ALL.values():
        concrete = {n for n, f in inspect.getmembers(Technique, inspect.isroutine) if not n.startswith("__")}
        assert not concrete & set(vars(technique))


@pytest.mark.parametrize(
    ("mode", "value", "best", "better"),
    [
        ("min", 0.1, None, True),
        ("min", 0.1, 0.2, True),
        ("min", 0.2, 0.2, False),
        ("max", 0.2, 0.1, True),
        ("max", -0.1, -0.2, True),
        ("max", -0.2, -0.1, False),
        ("min", math.nan, None, False),
        ("max", math.nan, 0.1, False),
        ("min", math.inf, None, False),
        ("min", -math.inf, 0.1, False),  # a loss without bottom is a broken one
        ("max", math.inf, 0.1, False),
    ],
)
def test_better(mode: str, value: float, best: float | None, better: bool) -> None:
    assert MonitorSpec(mode=mode).is_better(value, best) is better
