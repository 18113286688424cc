"""Homes: the network and the data on which a technique acts."""

from __future__ import annotations

import pytest
import torch

from goodfit.errors import InputError
from goodfit.stages import Augmentation
from goodfit.technique import Technique
from goodfit.techniques import (
    ALL,
    ColumnNoise,
    Dropout,
    DropPath,
    MixUp,
    RDrop,
    SoundNoise,
    SpatialDropout,
    TargetNoise,
    VariationalDropout,
    WordDropout,
)
from goodfit.testing.setups import make_net, setup


@pytest.mark.parametrize("technique", ALL.values(), ids=ALL.keys())
def test_every_technique_has_a_setup(technique: type[Technique]) -> None:
    place = setup(technique)
    x = place.split.train.x[:4]
    assert place.model()(x).shape == (4, place.split.spec.n_outputs)
    assert place.selector in dict(place.model().named_modules())


def test_setups_follow_from_declarations() -> None:
    kinds = {t: setup(t).split.spec.inputs.kind for t in (Dropout, MixUp, ColumnNoise, SoundNoise, WordDropout)}
    assert list(kinds.values()) == ["table", "table", "table", "sound", "text"]
    assert setup(TargetNoise).split.spec.task == "regression"
    modules = {
        t: {type(m).__name__ for m in setup(t).model().modules()}
        for t in (DropPath, VariationalDropout, SpatialDropout, RDrop)
    }
    assert "Residual" in modules[DropPath]
    assert {"LSTM", "GRU"} <= modules[VariationalDropout]
    assert "Conv2d" in modules[SpatialDropout]
    assert "Dropout" in modules[RDrop]


def test_initial_weights_are_always_the_same() -> None:
    torch.manual_seed(1)
    first = setup(Dropout).model().state_dict()
    torch.manual_seed(2)
    second = setup(Dropout).model().state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(make_net(gain=2.0)[0].weight, 2 * make_net()[0].weight)
    assert not torch.equal(make_net(seed=1)[0].weight, make_net()[0].weight)


def test_unknown_kinds_are_refused() -> None:
    kind = type("Smell", (Augmentation,), {"kinds": ("smell",)})
    with pytest.raises(InputError, match=r"Smell: kinds must name kinds of data, got kinds=\('smell',\)"):
        setup(kind)
