"""The eight stages, and where each technique of the catalogue belongs."""

from __future__ import annotations

import inspect

import pytest

from goodfit import stages
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
