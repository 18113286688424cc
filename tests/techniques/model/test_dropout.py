from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from goodfit.ops.dropout import quantize_rate
from goodfit.recipe import Recipe
from goodfit.techniques import Dropout
from goodfit.train.stages.on_model import Attachment, attach_layers


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def attached(model: nn.Module, technique: Dropout) -> tuple[Attachment, dict[str, Tensor]]:
    """The network with the technique attached, and a dict that records the input of each layer."""
    attachment = attach_layers(model, Recipe.of(technique))
    attachment.context.generator = generator()
    layer_inputs: dict[str, Tensor] = {}
    for name, layer in model.named_children():
        layer.register_forward_pre_hook(lambda _, args, name=name: layer_inputs.update({name: args[0].detach()}))
    return attachment, layer_inputs


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
def test_dropped_fraction_scale_and_moments(rate: float) -> None:
    x = torch.full((400, 500), 3.0)
    dropout = Dropout(rate)
    y = dropout.perturb(x, dropout.draw(x, generator()))
    assert float((y == 0).double().mean()) == pytest.approx(rate, abs=0.005)
    torch.testing.assert_close(y[y != 0].unique(), torch.tensor([3 / (1 - quantize_rate(rate))]))
    # Inverted dropout: the mean is x, the variance x² · rate / (1 − rate).
    assert float(y.mean()) == pytest.approx(3, rel=0.02)
    assert float(y.var()) == pytest.approx(9 * rate / (1 - rate), rel=0.03)


def test_draws_differ_between_samples_and_units() -> None:
    x, dropout = torch.ones(64, 64), Dropout(0.5)
    g = generator()
    first, second = dropout.draw(x, g)[0], dropout.draw(x, g)[0]
    assert not torch.equal(first, second)
    assert len({tuple(row) for row in first.tolist()}) == 64
    assert len({tuple(column) for column in first.T.tolist()}) == 64


def test_only_hidden_units_are_dropped(make_net: Callable[..., nn.Sequential]) -> None:
    x = torch.randn(256, 6, generator=generator())
    model = make_net(hidden=32)
    attachment, layer_inputs = attached(model, Dropout(0.5))
    output = model.train()(x)
    assert torch.equal(layer_inputs["0"], x)  # without input_rate, the network's own input is unchanged
    for before, layer in (("1", "2"), ("3", "4")):
        hidden = layer_inputs[before].relu()
        kept = layer_inputs[layer] != 0
        torch.testing.assert_close(layer_inputs[layer], hidden * kept * 2)
        assert float(kept[hidden > 0].double().mean()) == pytest.approx(0.5, abs=0.03)
    last = model[4]
    torch.testing.assert_close(output, nn.functional.linear(layer_inputs["4"], last.weight, last.bias))  # not dropped
    assert len(attachment.training_hooks) == 2


def test_input_rate_on_the_first_layer_only(make_net: Callable[..., nn.Sequential]) -> None:
    x = torch.ones(2000, 6)
    model = make_net()
    _, layer_inputs = attached(model, Dropout(0.0, input_rate=0.2))
    model.train()(x)
    torch.testing.assert_close(layer_inputs["0"].unique(), torch.tensor([0.0, 1 / (1 - quantize_rate(0.2))]))
    assert float((layer_inputs["0"] == 0).double().mean()) == pytest.approx(0.2, abs=0.02)
    for before, layer in (("1", "2"), ("3", "4")):
        assert torch.equal(layer_inputs[layer], layer_inputs[before].relu())


def test_identity_in_evaluation_and_without_generator(make_net: Callable[..., nn.Sequential]) -> None:
    x, model = torch.randn(16, 6, generator=generator()), make_net()
    plain = model(x)
    attachment, _ = attached(model, Dropout(0.5, input_rate=0.5))
    assert torch.equal(model.eval()(x), plain)
    assert not torch.equal(model.train()(x), plain)
    attachment.context.generator = None
    assert torch.equal(model.train()(x), plain)


def test_selected_layers_and_convolutions() -> None:
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 8), nn.ReLU(), nn.Linear(8, 2))
    assert len(attach_layers(model, Recipe.of(Dropout(0.5, on="Linear"))).training_hooks) == 2
    _, layer_inputs = attached(model, Dropout(0.5, on="5"))
    model.train()(torch.randn(4, 1, 4, 4, generator=generator()))
    assert not torch.equal(layer_inputs["5"], layer_inputs["4"].relu())
    assert torch.equal(layer_inputs["3"], layer_inputs["2"].flatten(1))


def test_tied_layers() -> None:
    model = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6, bias=False))
    model[2].weight = model[0].weight
    assert len(attach_layers(model, Recipe.of(Dropout(0.5))).training_hooks) == 1


def test_token_ids_are_unchanged() -> None:
    model = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(12, 2))
    attached(model, Dropout(0.5, input_rate=0.5))
    assert model.train()(torch.randint(10, (5, 3))).shape == (5, 2)


def test_from_keep_probabilities() -> None:
    assert Dropout.keep(0.75, 0.5) == Dropout(0.25, 0.5)
    assert Dropout.keep(0.75, on="Linear") == Dropout(0.25, on="Linear")
