"""Texts that differ where a network, a loss or a technique of the user's own differs."""

from __future__ import annotations

import functools
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from goodfit.recipe import Recipe
from goodfit.registry import register, unregister
from goodfit.stages import SmoothPenalty, selector
from goodfit.study.identity import code_of, loss_text, modules_of, techniques_of
from goodfit.technique import knob


class Scaled(nn.Module):
    def __init__(self, factor: float = 1.0, offset: float = 0.0) -> None:
        super().__init__()
        self.layer, self.factor = nn.Linear(4, 3), factor
        self.register_buffer("offset", torch.tensor([offset]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) * self.factor + self.offset


def class_with(constant: float) -> type[nn.Module]:
    """A class whose code differs in a constant only."""
    scope: dict[str, Any] = {"nn": nn, "__name__": "own"}
    exec(f"class Own(nn.Module):\n    def forward(self, x):\n        return x * {constant}\n", scope)
    own: type[nn.Module] = scope["Own"]
    return own


def test_equal_networks_have_equal_texts_whatever_their_weights() -> None:
    assert modules_of(Scaled()) == modules_of(Scaled()) != ""
    assert modules_of("mlp") == ""


def test_constants_buffers_frozen_weights_and_code_matter() -> None:
    frozen = Scaled()
    frozen.layer.weight.requires_grad_(False)
    texts = [modules_of(net) for net in (Scaled(), Scaled(2.0), Scaled(offset=1.0), frozen)]
    texts += [modules_of(class_with(c)()) for c in (1.0, 2.0)]
    assert len(set(texts)) == len(texts)
    assert modules_of(class_with(1.0)()) == modules_of(class_with(1.0)())


def test_buffers_of_any_type() -> None:
    for dtype in (torch.bfloat16, torch.int64, torch.bool):
        net = Scaled()
        net.register_buffer("more", torch.ones(2, dtype=dtype))
        assert modules_of(net) != modules_of(Scaled())


def test_code_of_libraries_does_not_count() -> None:
    assert code_of(nn.Linear) == ""
    assert code_of(Scaled) != ""


class Focal(nn.Module):
    def __init__(self, gamma: float, weight: list[float]) -> None:
        super().__init__()
        self.gamma = gamma
        self.register_buffer("weight", torch.tensor(weight))

    def forward(self, output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(output, y, reduction="none") ** self.gamma


def test_losses_with_other_settings_have_other_texts() -> None:
    smooth, plain = nn.CrossEntropyLoss(label_smoothing=0.1), nn.CrossEntropyLoss()
    assert loss_text(smooth) == loss_text(nn.CrossEntropyLoss(label_smoothing=0.1)) != loss_text(plain)
    assert loss_text(None) == ""


def test_functions_of_one_name_with_other_code_have_other_texts() -> None:
    def once(factor: int) -> Any:
        if factor == 1:

            def loss(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
                return (output - y) ** 2
        else:

            def loss(output: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
                return 2 * (output - y) ** 2

        return loss

    assert loss_text(once(1)) == loss_text(once(1)) != loss_text(once(2))


def test_settings_tensors_and_arguments_of_losses_matter() -> None:
    losses = [Focal(1.0, [1.0]), Focal(5.0, [1.0]), Focal(1.0, [2.0])]
    losses += [functools.partial(F.cross_entropy, label_smoothing=s, reduction="none") for s in (0.1, 0.2)]
    texts = [loss_text(loss) for loss in losses]
    assert len(set(texts)) == len(texts)
    assert loss_text(Focal(1.0, [1.0])) == texts[0]
    assert texts[3].startswith("cross_entropy ")


@pytest.mark.parametrize("power", [2, 3])
def test_the_code_of_registered_techniques_is_known(power: int) -> None:
    class OwnPenalty(SmoothPenalty):
        """Adds a power of the weights."""

        strength: float = knob(1e-4, low=0, search=(1e-6, 1e-2), neutral=0.0, unit="loss", doc="weight")
        on: str = selector()

        def value(self, w: torch.Tensor) -> torch.Tensor:
            return self.strength * w.abs().pow(power).sum()

        def gradient(self, w: torch.Tensor) -> torch.Tensor:
            return power * self.strength * w * w.abs()

    register(OwnPenalty)
    try:
        recipes = [Recipe.of("own_penalty=0.1, dropout=0.2"), Recipe.of("own_penalty=0.2")]
        assert techniques_of(recipes) == [["own_penalty", code_of(OwnPenalty)]]
        assert code_of(OwnPenalty) != ""
        assert techniques_of([Recipe.of("dropout=0.2")]) == []
    finally:
        unregister(OwnPenalty)
