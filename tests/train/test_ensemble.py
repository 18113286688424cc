"""Several networks that predict together: as a run, on disk and back."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from goodfit.data import Split
from goodfit.models.ensemble import EnsembleModel
from goodfit.store import load_run, save_run
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.run import with_weights

Net = Callable[..., nn.Sequential]


def test_means_by_hand(make_net: Net) -> None:
    a, b, x = make_net(seed=0), make_net(seed=1), torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    mean = (a(x).softmax(1) + b(x).softmax(1)) / 2
    torch.testing.assert_close(EnsembleModel([a, b], "classification")(x).softmax(1), mean)
    torch.testing.assert_close(EnsembleModel([a, b], "regression")(x), (a(x) + b(x)) / 2)
    one, other = make_net(1, seed=0), make_net(1, seed=1)
    chance = (one(x).sigmoid() + other(x).sigmoid()) / 2
    torch.testing.assert_close(EnsembleModel([one, other], "classification")(x).sigmoid(), chance)


def test_weights_tell_how_many_members(make_net: Net) -> None:
    plain = make_net()
    both = EnsembleModel([make_net(seed=1), make_net(seed=2)], "regression")
    held = with_weights(plain, both.state_dict(), "regression")
    assert isinstance(held, EnsembleModel)
    x = torch.ones(2, 6)
    assert torch.equal(held(x), both(x))
    again = with_weights(held, make_net(seed=3).state_dict(), "regression")
    assert torch.equal(again(x), make_net(seed=3)(x))


@pytest.mark.parametrize("more", ["", ", batch_norm", ", early_stopping=2"])
def test_a_run_of_snapshots_keeps_saves_and_loads(
    more: str, three_class_split: Split, make_net: Net, tmp_path: Path
) -> None:
    model = make_net()
    run = fit(
        model, three_class_split, f"snapshot_ensemble=3{more}", Training(epochs=6, batch_size=32, learning_rate=0.05)
    )
    output = run.outputs(three_class_split.validation.x)
    if not more:
        assert isinstance(run.model, EnsembleModel)
        assert len(run.model.members) == 3
    save_run(run, tmp_path / "run")
    again = load_run(tmp_path / "run", model)
    assert torch.equal(again.outputs(three_class_split.validation.x), output)
    for which in ("last", "best", "last"):
        kept, loaded = copy.deepcopy(run).keep(which), again.keep(which)
        assert torch.equal(kept.outputs(three_class_split.validation.x), loaded.outputs(three_class_split.validation.x))
