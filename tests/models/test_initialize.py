from __future__ import annotations

import pytest
import torch
from torch import nn

from goodfit.errors import InputError
from goodfit.models import initialize


def network() -> nn.Sequential:
    encoder = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Flatten(), nn.Linear(4, 2), encoder)


def test_weights_depend_only_on_the_seed() -> None:
    model = network()
    before = {name: t.clone() for name, t in model.state_dict().items()}
    state = torch.get_rng_state()
    a, b, c = (initialize(model, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a[name], b[name]) for name in a)
    for name in ("0.weight", "3.bias", "4.linear1.weight", "4.self_attn.in_proj_weight"):
        assert not torch.equal(a[name], c[name])
        assert not torch.equal(a[name], before[name])
    assert all(torch.equal(model.state_dict()[name], t) for name, t in before.items())


def test_running_statistics_are_reset() -> None:
    model = network()
    model[1](torch.randn(8, 4) + 5)
    fresh = initialize(model, 0)
    assert fresh[1].running_mean.tolist() == [0.0] * 4
    assert int(fresh[1].num_batches_tracked) == 0


def test_modules_without_reset_parameters_are_named() -> None:
    class Scale(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.ones(1))

    with pytest.raises(InputError, match=r"'1' has parameters \(factor\) and must have a reset_parameters"):
        initialize(nn.Sequential(nn.Linear(2, 2), Scale()), 0)
