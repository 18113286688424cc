"""The OnModel stage: hooks and layers are inserted where techniques act, and removed without a trace."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.techniques import Dropout, DropPath
from goodfit.train.stages.hooks import SiteKey
from goodfit.train.stages.on_model import Site, attach_layers


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 1))


def hook_count(model: nn.Module) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) + ("forward" in vars(m)) for m in model.modules())


def test_sites_are_named_by_technique_number_and_layer() -> None:
    attachment = attach_layers(net(), Recipe.of("gaussian_noise=0.1, dropout=0.5"))
    keys = [key for key in attachment.sites if key.stage == "dropout"]
    assert keys == [SiteKey("dropout", 1, "2"), SiteKey("dropout", 1, "4")]  # hidden activations only
    assert SiteKey("gaussian_noise", 0, "2") in attachment.sites


def test_the_strength_at_a_site_depends_on_its_position() -> None:
    dropout = Dropout(0.5, input_rate=0.2)
    assert Site(0, first=True).at_site(dropout).rate == 0.2  # type: ignore[union-attr]
    assert Site(0).at_site(dropout).rate == 0.5  # type: ignore[union-attr]
    assert Site(0, first=True).at_site(Dropout(0.5)) is None
    assert Site(0, depth=0.5).at_site(DropPath(0.4)).rate == pytest.approx(0.2)  # type: ignore[union-attr]


def test_inserted_layers_have_parameters_next_to_their_layer() -> None:
    model = net()
    attachment = attach_layers(model, Recipe.of("layer_norm"))
    inserted = attachment.inserted()
    assert [sorted(parameters) for parameters, _ in inserted] == [
        ["0.layer_norm.bias", "0.layer_norm.weight"], ["2.layer_norm.bias", "2.layer_norm.weight"],
    ]  # fmt: skip
    assert inserted[1][1] is model[2].weight
    assert model[0](torch.ones(1, 2)).mean().item() == pytest.approx(0.0, abs=1e-6)


def test_learned_strengths_are_trained_but_not_part_of_the_network() -> None:
    model = net()
    attachment = attach_layers(model, Recipe.of("noisy_linear"))
    names = list(attachment.parameters())
    assert [name for name in names if name in model.state_dict()] == list(model.state_dict())
    assert [name for name in names if name not in model.state_dict()] == [f"{n} (learned)" for n in attachment.learned]
    assert attachment.learned


def test_detach_removes_everything_and_removing_training_hooks_keeps_the_layers() -> None:
    model = net()
    keys = list(model.state_dict())
    attachment = attach_layers(model, Recipe.of("batch_norm, dropout=0.5, weight_noise, manifold_mixup, activity_l1=1"))
    assert hook_count(model) > 2
    attachment.remove_training_hooks()
    assert hook_count(model) == 2  # the batch norm layers
    assert attachment.detach() is model
    assert hook_count(model) == 0
    assert list(model.state_dict()) == keys


@pytest.mark.parametrize(
    ("recipe", "error"),
    [
        ("batch_norm, drop_path=0.1", "DropPath: the network must have residual branches"),
        ("batch_norm, zoneout=0.1", "Zoneout: "),
        ("dropout=0.5, batch_norm(on='4')", "BatchNorm: the network must have a linear or convolution layer in front"),
    ],
)
def test_an_error_leaves_the_network_unchanged(recipe: str, error: str) -> None:
    model = net()
    with pytest.raises(InputError, match=error):
        attach_layers(model, Recipe.of(recipe))
    assert hook_count(model) == 0
    assert not any("norm" in name for name in model.state_dict())


def test_a_second_layer_of_the_same_kind_is_refused() -> None:
    model = net()
    attach_layers(model, Recipe.of("layer_norm"))
    with pytest.raises(InputError, match="LayerNorm: layer '0' has a layer_norm already; choose others with on="):
        attach_layers(model, Recipe.of("layer_norm"))
