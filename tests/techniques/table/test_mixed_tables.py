"""All techniques that change rows, on a table of numbers, missing values and categories: alone, stacked, compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.func import functionalize, vmap
from torch.fx.experimental.proxy_tensor import make_fx

from goodfit.data import Inputs, Split, load
from goodfit.techniques import CutMix, CutOut, MixUp, SwapNoise
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.fit_many import fit_many

RECIPES = ["mixup=0.4, cut_out(size=0.2, p=0.5)", "cutmix=1.0, swap_noise=0.2, column_noise=0.1"]


@pytest.fixture(scope="module")
def table() -> Split:
    """Two classes that depend on a number and a category; some numbers are missing."""
    rng = np.random.default_rng(0)
    age, city = rng.normal(size=160), rng.choice(["Rome", "Oslo", "Lima"], 160)
    y = age + 2 * (city == "Rome") + rng.normal(size=160) > 0.5
    frame = pd.DataFrame({"age": np.where(rng.random(160) < 0.2, np.nan, age), "city": city, "y": y})
    return load(frame, "y").split(sizes=(0.6, 0.1, 0.15, 0.15))


def network() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 2)).double()


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_member_equals_its_solo_run(recipe: str, table: Split, to_double: Callable[[Split], Split]) -> None:
    split, training = to_double(table), Training(epochs=3, batch_size=16)
    assert split.spec.inputs.groups == ((1, 2), (2, 5))
    plain: Any = fit(network(), split, "", training, progress=False)
    many: Any = fit_many(network(), split, [recipe], training, seeds=(0, 1), population=True)
    for run in many:
        alone = fit(network(), split, recipe, training, seed=run.seed, progress=False)
        for name, weight in alone.last.items():
            torch.testing.assert_close(run.last[name], weight, rtol=1e-10, atol=1e-10)
        assert not torch.allclose(run.last["0.weight"], plain.last["0.weight"])


@pytest.mark.parametrize("technique", [CutMix(1.0), MixUp(1.0), SwapNoise(0.4), CutOut(0.4)])
def test_as_a_compiled_graph(technique: Any, mixed_inputs: Inputs, make_rows: Callable[..., Tensor]) -> None:
    """A population's steps are compiled into graphs, and the column groups become constants in them."""
    x, y = (torch.stack([make_rows(20, seed) for seed in range(3)]), torch.rand(3, 20, 2, dtype=torch.float64))
    draws = [technique.draw(x[k], y[k], torch.Generator().manual_seed(k)) for k in range(3)]
    drawn = tuple(torch.stack(parts) for parts in zip(*draws, strict=True))

    def one(x: Tensor, y: Tensor, drawn: Any) -> Any:
        if isinstance(technique, CutMix | MixUp):
            return technique.transform_batch(x, y, drawn, mixed_inputs)
        return technique.transform(x, drawn[1:], mixed_inputs)

    graph = make_fx(functionalize(vmap(one)))(x, y, drawn)
    result, expected = graph(x, y, drawn), vmap(one)(x, y, drawn)
    torch.testing.assert_close(result, expected, rtol=0, atol=0)
    other = x.flip(0)
    torch.testing.assert_close(graph(other, y, drawn), vmap(one)(other, y, drawn), rtol=0, atol=0)
