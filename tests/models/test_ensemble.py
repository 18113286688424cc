"""An ensemble averages the predictions of its members."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from goodfit.models.ensemble import EnsembleModel

Net = Callable[..., nn.Sequential]


class Constant(nn.Module):
    """A network with the same outputs for all inputs."""

    def __init__(self, outputs: Tensor) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, _: Tensor) -> Tensor:
        """The outputs."""
        return self.outputs


def test_an_ensemble_averages_probabilities_or_numbers(make_net: Net) -> None:
    a, b, x = make_net(seed=0), make_net(seed=1), torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    mean = (a(x).softmax(1) + b(x).softmax(1)) / 2
    torch.testing.assert_close(EnsembleModel([a, b], "classification")(x).softmax(1), mean)
    torch.testing.assert_close(EnsembleModel([a, b], "regression")(x), (a(x) + b(x)) / 2)
    one, other = make_net(1, seed=0), make_net(1, seed=1)
    probability = (one(x).sigmoid() + other(x).sigmoid()) / 2
    torch.testing.assert_close(EnsembleModel([one, other], "classification")(x).sigmoid(), probability)


def test_an_ensemble_of_segmentation_networks_averages_the_probabilities_of_pixels() -> None:
    a, b = nn.Conv2d(1, 3, 1), nn.Conv2d(1, 3, 1)
    x = torch.randn(2, 1, 4, 4)
    mean = (a(x).softmax(1) + b(x).softmax(1)) / 2
    torch.testing.assert_close(EnsembleModel([a, b], "segmentation")(x).softmax(1), mean)


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([[[120.0, 0.0]], [[120.0, 0.0]]], [[0.0, -120.0]]),
        ([[[150.0]], [[150.0]]], [[150.0]]),
        ([[[-150.0]], [[-150.0]]], [[-150.0]]),
        ([[[200.0]], [[-200.0]]], [[0.0]]),
    ],
)
def test_large_logits_stay_finite(outputs: list[list[list[float]]], expected: list[list[float]]) -> None:
    members = [Constant(torch.tensor(each)) for each in outputs]
    torch.testing.assert_close(EnsembleModel(members, "classification")(torch.zeros(1)), torch.tensor(expected))
