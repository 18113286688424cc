"""Compression of trained runs and single-precision networks, and the printed result."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from goodfit.compression import Compressed, compress
from goodfit.data import load
from goodfit.models import mlp
from goodfit.train.config import Training
from goodfit.train.fit import fit


def normal(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def initialized(model: nn.Module) -> Any:
    """The network in double precision with random weights and running statistics."""
    generator = torch.Generator().manual_seed(0)
    for name, tensor in model.double().state_dict().items():
        if tensor.is_floating_point():
            tensor.normal_(generator=generator)
            if "running_var" in name:
                tensor.abs_().add_(0.1)
    return model


def zero(*tensors: Tensor) -> None:
    with torch.no_grad():
        for tensor in tensors:
            tensor.zero_()


def test_the_table() -> None:
    small = Compressed(
        nn.Identity(), torch.tensor([0, 2]), 3, {"0": (256, 30)}, {"4": "goes into X"}, 1200, 100, 2e-3, 1e-3
    )
    assert str(small).splitlines() == [
        "              before  after",
        "inputs             3      2",
        "units of 0       256     30",
        "parameters     1,200    100",
        "forward pass    2 ms   1 ms",
        "12 times fewer parameters, 2 times as fast",
        "kept: 4: goes into X",
    ]


def test_single_precision() -> None:
    model = initialized(mlp(30, 3, (64, 64))).float()
    zero(model[0].weight[::2], model[4].weight[:, 40:], model[0].weight[:, 7])
    small = compress(model)
    assert small.units == {"0": (64, 32), "2": (64, 40)}
    x = normal(50, 30).float()
    torch.testing.assert_close(small.model(x), model(x), rtol=1e-4, atol=1e-3)
    assert {p.dtype for p in small.model.parameters()} == {torch.float32}
    assert small.speed > 0


@pytest.mark.parametrize("recipe", ["l1=0.01", "group_lasso=0.01", "group_lasso(strength=0.01, over='units')"])
def test_a_run_on_real_data(recipe: str) -> None:
    split = load("breast_cancer").split()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        run = fit(mlp(30, 2, (32, 32)), split, recipe, Training(epochs=12, learning_rate=0.01))
    small, x = compress(run), split.validation.x
    torch.testing.assert_close(small.model(x), run.outputs(x), rtol=1e-4, atol=1e-5)
    unused_units = int((run.model[2].weight == 0).all(0).sum())  # units without outgoing weights
    assert unused_units + int((run.model[0].weight == 0).all(1).sum()) > 0
    assert small.removed["0"] >= max(unused_units, 1)
    assert small.ratio > 1
    if "units" not in recipe:
        unused_inputs = (run.model[0].weight == 0).all(0)
        assert unused_inputs.any()
        assert small.inputs is not None
        assert set(unused_inputs.nonzero().flatten().tolist()).isdisjoint(small.inputs.tolist())
