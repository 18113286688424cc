"""Large linear layers of any network are computed by oneDNN inside a block, and nothing else changes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.data import Split, from_tensors
from goodfit.kernels import mode
from goodfit.kernels.choice import ProductChoice
from goodfit.kernels.linear import linear, onednn_product
from goodfit.kernels.mode import FastLinear, describe_products, fast_linear
from goodfit.train.config import Training
from goodfit.train.fit import fit

LEAST = 64 * 128 * 128


@pytest.fixture(autouse=True)
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Rows, inputs and outputs of the layers that oneDNN computes; it is used from LEAST on."""
    if onednn_product() is None:
        pytest.skip("this build of torch has no oneDNN")
    computed: list[tuple[int, ...]] = []

    def record(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        computed.append((x.numel() // x.shape[-1], weight.shape[1], weight.shape[0]))
        return linear(x, weight, bias)

    monkeypatch.setattr(mode, "linear", record)
    monkeypatch.setattr(mode, "product_choice", lambda: ProductChoice(LEAST))
    return computed


def wide() -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(40, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 3))


@pytest.fixture(scope="module")
def split() -> Split:
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(192, 40, generator=generator), torch.randint(3, (192,), generator=generator)
    return from_tensors(train=(x[:128], y[:128]), stop=(x[128:], y[128:]))


def test_only_layers_of_the_chosen_sizes(sizes: list[tuple[int, ...]]) -> None:
    network, x = wide(), torch.randn(64, 40)
    expected = network(x)
    assert not sizes
    with fast_linear(network, 64):
        torch.testing.assert_close(network(x), expected, rtol=1e-5, atol=1e-5)
    assert sizes == [(64, 256, 256)]
    network(x)
    assert len(sizes) == 1


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 64)),
        nn.Conv2d(3, 64, 3),
        torch.compile(nn.Linear(512, 512), backend="eager"),
    ],
)
def test_other_networks_need_no_block(network: nn.Module) -> None:
    assert not isinstance(fast_linear(network, 64), FastLinear)
    assert describe_products(network, 64) == "torch"


def test_feed_forward_layers_of_transformers(sizes: list[tuple[int, ...]]) -> None:
    layer, x = nn.TransformerEncoderLayer(128, 4, 256, dropout=0.0, batch_first=True), torch.randn(8, 16, 128)
    expected = layer(x)
    with fast_linear(layer, 128):
        torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-4)
    assert sizes == [(128, 128, 256), (128, 256, 128)]


def test_calls_of_the_function(sizes: list[tuple[int, ...]]) -> None:
    with fast_linear(wide(), 64):
        F.linear(torch.randn(64, 128), torch.randn(128, 128))
        F.linear(input=torch.randn(64, 128), weight=torch.randn(128, 128), bias=torch.randn(128))
    assert sizes == [(64, 128, 128), (64, 128, 128)]


def test_hooks_keys_and_modules_stay(sizes: list[tuple[int, ...]]) -> None:
    network, called = wide(), []
    keys, forwards = list(network.state_dict()), [type(m).forward for m in network]
    network[2].register_forward_hook(lambda *_: called.append(1))
    with fast_linear(network, 64):
        network(torch.randn(64, 40)).sum().backward()
    assert sizes
    assert called == [1]
    assert list(network.state_dict()) == keys
    assert [type(m).forward for m in network] == forwards
    assert not any("forward" in vars(m) for m in network.modules())


RECIPES = [
    "",
    "dropout=0.2, l2=1e-3, max_norm=3",
    "sam=0.05, ema=0.5",
    "r_drop=0.5, dropout=0.3",
    "jacobian_penalty=0.01",
]


@pytest.mark.parametrize("recipe", RECIPES)
def test_runs_equal_those_of_torch_up_to_rounding(
    recipe: str, split: Split, sizes: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Training(epochs=2, batch_size=48, learning_rate=1e-3)
    run, repeated = (fit(wide(), split, recipe, training, progress=False) for _ in range(2))
    assert {(rows, 256, 256) for rows in (48, 64, 128)} <= set(sizes)  # batches, stop rows and training rows
    assert all(torch.equal(run.last[name], repeated.last[name]) for name in run.last)
    assert run.metadata["linear_products"] == f"oneDNN from {LEAST:,} multiplications, below torch"
    sizes.clear()
    monkeypatch.setattr(mode, "product_choice", ProductChoice)
    usual = fit(wide(), split, recipe, training, progress=False)
    assert not sizes
    assert usual.metadata["linear_products"] == "torch"
    for name, weight in usual.last.items():
        torch.testing.assert_close(run.last[name], weight, rtol=1e-3, atol=1e-4)
