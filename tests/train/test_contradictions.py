"""Recipes that contradict themselves, the network or the data are refused before training, with the reason."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from goodfit.data import Split, load
from goodfit.errors import InputError
from goodfit.study import run_study
from goodfit.train.config import Training
from goodfit.train.fit import fit

SHORT = Training(epochs=1, batch_size=32)


@pytest.mark.parametrize(
    ("recipe", "reason"),
    [
        ("unit_norm, max_norm=0.5", "recipe: unit_norm, max_norm at 0.weight, .*; keep one of them"),
        (
            "max_norm=1, min_max_norm(min_value=2, max_value=3)",
            "recipe: max_norm, min_max_norm at .*; keep one of them",
        ),
        ("r_drop=1", "recipe: r_drop: .*"),
        ("ema=0.5, swa", "only one technique may choose the weights to keep, got ema, swa; keep one"),
        ("target_noise=0.1", "TargetNoise: it acts on numbers; the target has classes"),
        ("zoneout=0.1", "Zoneout: on must match a weight tensor"),
        ("drop_path=0.1", "DropPath: the network must have residual branches, got none"),
    ],
)
def test_refused_with_the_reason(
    recipe: str, reason: str, three_class_split: Split, make_net: Callable[..., nn.Sequential]
) -> None:
    with pytest.raises(InputError, match=reason):
        fit(make_net(), three_class_split, recipe, SHORT)


def test_a_study_refuses_before_its_first_run() -> None:
    with pytest.raises(InputError, match="recipe: unit_norm, max_norm at"):
        run_study(load("iris"), "mlp:4", ["l2=1e-3", "unit_norm, max_norm=0.5"], SHORT, seeds=1)


def test_warnings_are_reported(three_class_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    run = fit(make_net(), three_class_split, "l2=1e-3, weight_decay=0.1", SHORT)
    (message,) = run.metadata["warnings"]
    assert message.startswith("warning: l2, weight_decay at 0.weight")
    assert run.metadata["acts"][3][3] == "l2=0.001, weight_decay=0.1"
    study = run_study(load("iris"), "mlp:4", ["l2=1e-3, weight_decay=0.1"], SHORT, seeds=1)
    assert any(note.startswith("l2=0.001, weight_decay=0.1: warning: l2, weight_decay at") for note in study.notes)


def test_the_network_is_as_it_was_after_a_refusal(three_class_split: Split) -> None:
    model = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 3))
    before = {name: w.clone() for name, w in model.state_dict().items()}
    with pytest.raises(InputError):
        fit(model, three_class_split, "batch_norm, r_drop=1", SHORT)
    assert all(torch.equal(w, before[name]) for name, w in model.state_dict().items())
    assert list(model.state_dict()) == list(before)
