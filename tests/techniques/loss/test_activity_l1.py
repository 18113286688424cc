from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck

from goodfit.data import Split
from goodfit.stages import ForwardPass
from goodfit.techniques import ActivityL1
from goodfit.train.config import Training
from goodfit.train.fit import fit

MakeForward = Callable[..., ForwardPass]


def hidden(*shapes: tuple[int, ...]) -> tuple[Tensor, ...]:
    g = torch.Generator().manual_seed(0)
    return tuple(torch.randn(shape, generator=g, dtype=torch.float64) for shape in shapes)


def test_values_by_hand(make_forward: MakeForward) -> None:
    """(1 + 2 + 0.5 + 3) / 2 samples for the first layer, (4 + 0) / 2 for the second."""
    layers = torch.tensor([[1.0, -2.0], [0.5, 3.0]]), torch.tensor([[-4.0], [0.0]])
    assert float(ActivityL1(0.1).term(make_forward(torch.zeros(2, 3), activations=layers), ())) == pytest.approx(
        0.1 * (3.25 + 2)
    )


def test_maps_and_layers_with_positions_in_the_batch_dimension(make_forward: MakeForward) -> None:
    """The mean is over the samples of the batch, not over the first dimension of the layer's input."""
    maps, tokens = hidden((4, 3, 5, 5), (4 * 6, 7))
    forward = make_forward(torch.zeros(4, 2, dtype=torch.float64), activations=(maps, tokens))
    torch.testing.assert_close(ActivityL1(2.0).term(forward, ()), 2 * (maps.abs().sum() + tokens.abs().sum()) / 4)


def test_gradient_is_the_sign(make_forward: MakeForward) -> None:
    def term(*layers: Tensor) -> Tensor:
        return ActivityL1(0.5).term(make_forward(torch.zeros(3, 2, dtype=torch.float64), activations=layers), ())

    layers = [h.requires_grad_() for h in hidden((3, 4), (3, 2))]
    assert gradcheck(term, layers)
    for h, grad in zip(layers, torch.autograd.grad(term(*layers), layers), strict=True):
        torch.testing.assert_close(grad, 0.5 * h.sign() / 3)


def test_equals_keras_activity_regularizer(make_forward: MakeForward) -> None:
    keras = pytest.importorskip("keras", minversion="3.15")  # older ones do not divide by the batch
    layer = keras.layers.Dense(4, activation="relu", activity_regularizer=keras.regularizers.L1(0.01))
    output = layer(torch.randn(5, 3, generator=torch.Generator().manual_seed(0)))
    ours = ActivityL1(0.01).term(make_forward(torch.zeros(5, 2), activations=(torch.as_tensor(output),)), ())
    torch.testing.assert_close(ours, torch.as_tensor(layer.losses[0]))


def test_hidden_activations_become_smaller_in_training(
    three_class_split: Split, make_net: Callable[..., nn.Sequential]
) -> None:
    settings = Training(epochs=5, batch_size=16, learning_rate=0.01)

    def activity(recipe: ActivityL1 | str) -> list[float]:
        model = fit(make_net(), three_class_split, recipe, settings).model
        with torch.no_grad():
            first = model[:2](three_class_split.train.x)
            return [float(first.abs().sum(1).mean()), float(model[2:4](first).abs().sum(1).mean())]

    plain, run, second_only = activity(""), activity(ActivityL1(0.1)), activity(ActivityL1(0.1, on="4"))
    assert run[0] < 0.7 * plain[0]
    assert run[1] < 0.7 * plain[1]
    assert second_only[1] < 0.7 * plain[1]
    assert second_only[0] > run[0]
