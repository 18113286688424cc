"""Large linear layers of any network are computed by oneDNN inside a block, and nothing else changes."""

from __future__ import annotations

import pickle
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from goodfit.data import Split, from_tensors, metric
from goodfit.kernels import choice, mode
from goodfit.kernels.linear import linear, onednn_product
from goodfit.kernels.mode import describe_products, fast_linear
from goodfit.kernels.products import ProductChoice, _active
from goodfit.recipe import Recipe
from goodfit.train.config import Training
from goodfit.train.evaluate import evaluate, predict_masks, predict_mc, predict_outputs
from goodfit.train.fit import fit
from goodfit.train.losses import Criterion, cross_entropy
from goodfit.train.manual_loop.attach import attach

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
    for module in (mode, choice):
        monkeypatch.setattr(module, "product_choice", lambda: _active.get() or ProductChoice(LEAST))
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


def forwards(network: nn.Module) -> list[object]:
    """What is set as `forward` on the layers themselves."""
    return [vars(layer).get("forward") for layer in network.modules()]


def test_only_layers_of_the_chosen_sizes(sizes: list[tuple[int, ...]]) -> None:
    network, x = wide(), torch.randn(64, 40)
    expected = network(x)
    assert not sizes
    with fast_linear(network, x, 64):
        assert [i for i, f in enumerate(forwards(network[:])) if f] == [3]  # the module itself comes first
        torch.testing.assert_close(network(x), expected, rtol=1e-5, atol=1e-5)
    assert sizes == [(64, 256, 256)]
    network(x)
    assert len(sizes) == 1


OTHERS: dict[str, Callable[[], nn.Module]] = {
    "small": lambda: nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 64)),
    "convolution": lambda: nn.Conv2d(3, 64, 3),
    "double": lambda: nn.Linear(512, 512).double(),
    "compiled": lambda: torch.compile(nn.Linear(512, 512), backend="eager"),  # type: ignore[return-value]
    "compiled layer": lambda: nn.Sequential(torch.compile(nn.Linear(512, 512), backend="eager")),  # type: ignore[arg-type]
}


def compiled_in_place() -> nn.Module:
    layer = nn.Linear(512, 512)
    layer.compile(backend="eager")
    return layer


OTHERS["compiled in place"] = compiled_in_place


@pytest.mark.parametrize("build", OTHERS.values(), ids=OTHERS)
def test_other_networks_are_left_alone(build: Callable[[], nn.Module]) -> None:
    network, x = build(), torch.zeros(64, 64)
    before = forwards(network)
    with fast_linear(network, x, 64):
        assert forwards(network) == before
    assert describe_products(network, x, 64, ProductChoice(LEAST)) == "torch"


def test_transformers(sizes: list[tuple[int, ...]]) -> None:
    layer, x = nn.TransformerEncoderLayer(128, 4, 256, dropout=0.0, batch_first=True), torch.randn(8, 16, 128)
    expected = layer(x)
    with fast_linear(layer, x, 8):
        torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-4)
    assert sizes == [(128, 128, 384), (128, 128, 128), (128, 128, 256), (128, 256, 128)]
    layer.eval()
    sizes.clear()
    with torch.no_grad():
        expected = layer(x)
        with fast_linear(layer, x, 8):
            assert torch.equal(layer(x), expected)  # torch's own kernel for a whole layer
    assert not sizes


@pytest.mark.parametrize("kdim", [128, 64])
def test_attention(kdim: int, sizes: list[tuple[int, ...]]) -> None:
    attention = nn.MultiheadAttention(128, 4, kdim=kdim)
    query, key, value = torch.randn(16, 8, 128), torch.randn(16, 8, kdim), torch.randn(16, 8, 128)
    expected = attention(query, key, value)
    with fast_linear(attention, query, 16):
        computed = attention(query, key, value)
    for a, b in zip(computed, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert sorted(sizes) == [(128, kdim, 128), *[(128, 128, 128)] * 3]
    assert F.multi_head_attention_forward.__globals__["linear"] is F.linear


def test_weights_of_layers_that_users_wrote(sizes: list[tuple[int, ...]]) -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(128, 128))

        def forward(self, x: Tensor) -> Tensor:
            return F.linear(input=F.linear(x, self.weight), weight=self.weight[:96], bias=None)

    network, x = Own(), torch.randn(128, 128)
    expected = network(x)
    with fast_linear(network, x, 128):
        torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-3)
    assert sizes == [(128, 128, 128), (128, 128, 96)]


@pytest.mark.parametrize("normalize", [nn.utils.parametrizations.weight_norm, nn.utils.parametrizations.spectral_norm])
def test_weights_that_are_computed(normalize: Callable[[nn.Module], nn.Module], sizes: list[tuple[int, ...]]) -> None:
    network, x = normalize(nn.Linear(256, 256)).eval(), torch.randn(64, 256)
    expected = network(x)
    with fast_linear(network, x, 64):
        torch.testing.assert_close(network(x), expected, rtol=1e-4, atol=1e-5)
    assert sizes == [(64, 256, 256)]


def test_compiled_functions_inside_a_network_stay_with_torch(sizes: list[tuple[int, ...]]) -> None:
    class Own(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.randn(128, 128))
            self.product = torch.compile(F.linear, backend="eager", fullgraph=True)

        def forward(self, x: Tensor) -> Tensor:
            return self.product(x, self.weight)  # type: ignore[no-any-return]

    network, x = Own(), torch.randn(128, 128)
    with fast_linear(network, x, 128):
        assert torch.equal(network(x), F.linear(x, network.weight))


def test_hooks_keys_and_modules_stay(sizes: list[tuple[int, ...]]) -> None:
    network, called, x = wide(), [], torch.randn(64, 40)
    keys = list(network.state_dict())
    network[2].register_forward_hook(lambda *_: called.append(1))
    with fast_linear(network, x, 64):
        network(x).sum().backward()
    assert sizes
    assert called == [1]
    assert list(network.state_dict()) == keys
    assert not any(forwards(network))


def test_nothing_stays_after_an_error(sizes: list[tuple[int, ...]]) -> None:
    network = wide()
    with pytest.raises(RuntimeError, match="shapes"), fast_linear(network, torch.zeros(64, 40), 64):
        network(torch.randn(64, 41))
    assert not any(forwards(network))
    assert not sizes


# ---- own loops ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", ["", "dropout=0.2", "weight_noise=0.01", "sam=0.05", "spectral_norm=2"])
def test_loops_that_ask_for_it(recipe: str, sizes: list[tuple[int, ...]]) -> None:
    def train(fast: bool) -> nn.Module:
        network = wide()
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
        generator = torch.Generator().manual_seed(0)
        with attach(network, recipe, optimizer, fast_linear=fast) as regularizer:
            pickle.loads(pickle.dumps(network))
            for _ in range(3):
                x, y = torch.randn(64, 40, generator=generator), torch.randint(3, (64,), generator=generator)

                def closure(x: Tensor = x, y: Tensor = y) -> Tensor:
                    optimizer.zero_grad()
                    loss = F.cross_entropy(network(x), y)
                    loss.backward()
                    return loss

                closure()
                regularizer.step(closure)
        assert not any(forwards(network))
        return network

    usual = train(False)
    assert not sizes
    fast = train(True)
    assert set(sizes) == {(64, 256, 256)}
    for a, b in zip(usual.parameters(), fast.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("use_reentrant", [False, True])
def test_recomputed_passes_use_the_same_product(use_reentrant: bool, sizes: list[tuple[int, ...]]) -> None:
    network = wide()
    with attach(network, "", fast_linear=True):
        hidden = checkpoint(network[:4], torch.randn(64, 40).requires_grad_(), use_reentrant=use_reentrant)
        network[4](hidden).sum().backward()
    assert sizes == [(64, 256, 256)] * 2


def test_compiled_networks_stay_with_torch_in_own_loops(sizes: list[tuple[int, ...]]) -> None:
    network = wide()
    compiled = torch.compile(network, backend="eager")
    with attach(compiled, "", fast_linear=True):  # type: ignore[arg-type]
        assert not any(forwards(network))


# ---- runs --------------------------------------------------------------------------------------------

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
    monkeypatch.setattr(choice, "product_choice", ProductChoice)
    usual = fit(wide(), split, recipe, training, progress=False)
    assert not sizes
    assert usual.metadata["linear_products"] == "torch"
    for name, weight in usual.last.items():
        torch.testing.assert_close(run.last[name], weight, rtol=1e-3, atol=1e-4)


# ---- predictions -------------------------------------------------------------------------------------


class Pixels(nn.Module):
    """Two classes for each pixel, by linear layers over the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.movedim(1, -1)).movedim(-1, 1)  # type: ignore[no-any-return]


def test_predictions(split: Split, sizes: list[tuple[int, ...]]) -> None:
    network = wide()
    predict_outputs(network, split.train.x)
    assert sizes == [(128, 40, 256), (128, 256, 256)]
    predict_mc(network, Recipe.of("dropout=0.5"), split.train.x, 3, seed=0)
    assert sizes == [(128, 40, 256), (128, 256, 256)] * 4
    sizes.clear()
    images, masks = torch.randn(4, 64, 16, 16), torch.zeros(4, 16, 16, dtype=torch.long)
    predict_masks(Pixels(), images)
    evaluate(Pixels(), images, masks, Criterion("cross_entropy", cross_entropy), metric("iou"))
    assert sizes == [(1024, 64, 64)] * 2
