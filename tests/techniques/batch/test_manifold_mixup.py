from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
import torch
from scipy import stats
from torch import nn

from goodfit.data import Split
from goodfit.techniques import ManifoldMixUp
from goodfit.train.config import Training
from goodfit.train.fit import fit


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_values_by_hand() -> None:
    draw = torch.tensor([0.75]), torch.tensor([2, 0, 1]), torch.tensor(0.0)
    mixup = ManifoldMixUp(1.0)
    assert mixup.mix(torch.tensor([[0.0, 8.0], [4.0, 0.0], [2.0, 4.0]]), draw).tolist() == [
        [0.5, 7.0], [3.0, 2.0], [2.5, 3.0]
    ]  # fmt: skip
    assert mixup.targets(torch.eye(3), draw).tolist() == [[0.75, 0.0, 0.25], [0.25, 0.75, 0.0], [0.0, 0.25, 0.75]]


@pytest.mark.parametrize(("u", "place"), [(0.0, 0), (0.33, 0), (0.34, 1), (0.67, 2), (0.99999994, 2), (1.0, 2)])
def test_layer_index_from_the_uniform_draw(u: float, place: int) -> None:
    assert ManifoldMixUp().layer_index((torch.ones(1), torch.zeros(1), torch.tensor(u)), 3) == place


def test_layers_are_uniform_and_lambda_is_beta() -> None:
    g, x = generator(), torch.zeros(4, 2, dtype=torch.float64)
    draws = [ManifoldMixUp(0.7).draw(x, x, g) for _ in range(2000)]
    layers_used = Counter(ManifoldMixUp().layer_index(draw, 4) for draw in draws)
    assert set(layers_used) == {0, 1, 2, 3}
    assert stats.chisquare(list(layers_used.values())).pvalue > 0.001
    lambdas = torch.cat([draw[0] for draw in draws])
    assert lambdas.shape == (2000,)  # one per batch
    assert float(lambdas.min()) >= 0.5
    unfolded = stats.beta(0.7, 0.7)
    assert stats.kstest(lambdas.numpy(), lambda s: 2 * unfolded.cdf(s) - 1).pvalue > 0.001
    assert sorted(draws[0][1].tolist()) == [0, 1, 2, 3]


def test_linear_network_gives_the_same_mix_at_every_layer() -> None:
    """Blending commutes with linear maps: the outputs are the same at whichever layer inputs are blended."""
    layers = [nn.Linear(5, 7).double(), nn.Linear(7, 6).double(), nn.Linear(6, 3).double()]
    x = torch.randn(10, 5, generator=generator(), dtype=torch.float64)
    mixup = ManifoldMixUp(1.0)
    draw = mixup.draw(x, x, generator(1))
    expected = mixup.targets(layers[2](layers[1](layers[0](x))), draw)
    for place in range(3):
        hidden = x
        for number, layer in enumerate(layers):
            hidden = layer(mixup.mix(hidden, draw) if number == place else hidden)
        torch.testing.assert_close(hidden, expected)


def test_neutral_is_the_identity_and_integer_inputs_are_allowed() -> None:
    y = torch.rand(6, 3, generator=generator())
    codes = torch.arange(12).reshape(6, 2)
    mixup = ManifoldMixUp(0.0)
    draw = mixup.draw(codes, y, generator())
    hidden = torch.randn(6, 4, 4, generator=generator())
    assert torch.equal(mixup.targets(y, draw), y)
    assert torch.equal(mixup.mix(hidden, draw), hidden)
    assert mixup.mix(hidden.double(), draw).dtype == torch.float64


def test_in_training(three_class_split: Split, make_net: Callable[..., nn.Sequential]) -> None:
    settings = Training(epochs=2, batch_size=16)
    plain, run = (
        fit(make_net(), three_class_split, "", settings),
        fit(make_net(), three_class_split, ManifoldMixUp(1.0), settings),
    )
    assert not torch.equal(plain.last["2.weight"], run.last["2.weight"])
    assert run.history["batch_loss"][0] != plain.history["batch_loss"][0]
