from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from goodfit.ops.dropout import quantize_rate
from goodfit.recipe import Recipe
from goodfit.techniques import SpatialDropout

SHAPES = [(64, 50, 7), (64, 50, 3, 4), (64, 50, 2, 3, 2)]


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def maps(shape: tuple[int, ...]) -> Tensor:
    return torch.rand(shape, generator=generator(9), dtype=torch.float64) + 0.5


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_whole_channels_are_dropped_and_mean_is_preserved(shape: tuple[int, ...], rate: float) -> None:
    x, dropout = maps(shape), SpatialDropout(rate)
    y = dropout.perturb(x, dropout.draw(x, generator()))
    zero = (y == 0).flatten(2)
    assert torch.equal(zero.all(2), zero.any(2))
    n = zero.shape[0] * zero.shape[1]
    assert float(zero[:, :, 0].double().mean()) == pytest.approx(rate, abs=4 * (rate * (1 - rate) / n) ** 0.5)
    torch.testing.assert_close(y[y != 0], (x / (1 - quantize_rate(rate)))[y != 0])
    assert y.dtype == torch.float64


@pytest.mark.parametrize(
    ("shape", "theirs"), list(zip(SHAPES, (F.dropout1d, F.dropout2d, F.dropout3d), strict=True)), ids=["1d", "2d", "3d"]
)
def test_equals_torch_with_the_same_mask(
    shape: tuple[int, ...], theirs: Callable[..., Tensor], bits_for_mask: Callable[[Tensor], Tensor]
) -> None:
    x = maps(shape)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        expected = theirs(x, 0.3125, training=True)
    mask = (expected.flatten(2)[:, :, 0] != 0).double().reshape(*shape[:2], *[1] * (len(shape) - 2))
    assert 0 < mask.mean() < 1
    torch.testing.assert_close(SpatialDropout(0.3125).perturb(x, (bits_for_mask(mask),)), expected)


@pytest.mark.parametrize("spatial", [1, 2, 3])
def test_equals_keras_with_the_same_mask(spatial: int, bits_for_mask: Callable[[Tensor], Tensor]) -> None:
    keras = pytest.importorskip("keras")
    x = maps(SHAPES[spatial - 1]).float()
    layer = getattr(keras.layers, f"SpatialDropout{spatial}D")
    # Keras' SpatialDropout1D supports only channels-last inputs.
    expected = layer(0.3125, seed=5)(x.movedim(1, -1), training=True).cpu().movedim(-1, 1)
    mask = (expected.flatten(2)[:, :, 0] != 0).float().reshape(*x.shape[:2], *[1] * spatial)
    assert 0 < mask.mean() < 1
    torch.testing.assert_close(SpatialDropout(0.3125).perturb(x, (bits_for_mask(mask),)), expected)


def test_draws_differ_between_samples_and_channels() -> None:
    x, dropout, g = torch.ones(64, 64, 2, 2), SpatialDropout(0.5), generator()
    first, second = dropout.draw(x, g)[0], dropout.draw(x, g)[0]
    assert first.shape == (64, 64, 1, 1)
    assert not torch.equal(first, second)
    assert len({tuple(row) for row in first.flatten(1).tolist()}) == 64
    assert len({tuple(column) for column in first.flatten(1).T.tolist()}) == 64


def test_neutral_is_bit_equal_and_input_rate_applies_to_the_network_input() -> None:
    x, off = torch.randn(5, 4, 3, generator=generator()), SpatialDropout(0.0)
    assert torch.equal(off.perturb(x, off.draw(x, generator())), x)
    both = SpatialDropout(0.5, 0.25)
    hidden, input_noise = both.for_layer(first=False), both.for_layer(first=True)
    assert hidden is both
    assert input_noise is not None
    assert input_noise.rate == 0.25
    assert SpatialDropout(0.5).for_layer(first=True) is None


def test_vmap_over_population_members() -> None:
    x, rates = torch.randn(3, 4, 5, 6, generator=generator()), torch.tensor([0.0, 0.25, 0.5])
    draws = [SpatialDropout(float(r)).draw(x[i], generator(i))[0] for i, r in enumerate(rates)]

    def member(rate: Tensor, x: Tensor, draw: Tensor) -> Tensor:
        return SpatialDropout().with_values(rate=rate).perturb(x, (draw,))

    stacked = torch.func.vmap(member)(rates, x, torch.stack(draws))
    for i, rate in enumerate(rates):
        torch.testing.assert_close(stacked[i], SpatialDropout(float(rate)).perturb(x[i], (draws[i],)))


def test_aliases() -> None:
    assert SpatialDropout.aliases == tuple(kind.__name__.lower() for kind in (nn.Dropout1d, nn.Dropout2d, nn.Dropout3d))
    assert Recipe.of("dropout2d=0.3") == Recipe.of(SpatialDropout(0.3))
    assert SpatialDropout.convolutions_only
