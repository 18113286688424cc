"""A recipe's OnModel techniques on a network: hooks put in, switched, and taken out again."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from goodfit import surgery
from goodfit.errors import InputError
from goodfit.recipe import Recipe
from goodfit.stages import Noise, Normalisation
from goodfit.technique import Technique


@dataclass
class Source:
    """Where the noises draw from; they are silent as long as it has no generator."""

    generator: torch.Generator | None = None


@dataclass(frozen=True)
class Perturb:
    """The hook of one noise on one layer: a plain record, so that a copy of the network gets a source of its own."""

    noise: Noise
    source: Source

    def __call__(self, module: nn.Module, x: Tensor) -> Tensor:
        """The perturbed input of the layer in training, the input itself otherwise."""
        if self.source.generator is None or not module.training:
            return x
        return self.noise.perturb(x, self.noise.draw(x, self.source.generator))


@dataclass
class Attachment:
    """What a recipe put into a network. `detach` gives the plain network back."""

    model: nn.Module
    source: Source = field(default_factory=Source)
    noises: list[RemovableHandle] = field(default_factory=list)
    layers: list[tuple[RemovableHandle, nn.Module, str]] = field(default_factory=list)

    def silence(self) -> nn.Module:
        """Take the noises out and leave inserted layers in: the network that evaluates and predicts."""
        for handle in self.noises:
            handle.remove()
        self.noises = []
        return self.model

    def detach(self) -> nn.Module:
        """Take every noise and every inserted layer out again."""
        self.silence()
        for handle, module, name in self.layers:
            handle.remove()
            delattr(module, name)
        self.layers = []
        return self.model


def attach_layers(model: nn.Module, recipe: Recipe) -> Attachment:
    """Hook the recipe's noises and normalisations into a network, in the recipe's order.

    Normalisations come first, because they may add layers that a selector of a noise names.
    """
    attachment = Attachment(model)
    for technique in recipe.at(Normalisation):
        _insert(attachment, technique)
    for noise in recipe.at(Noise):
        _perturb(attachment, noise)
    return attachment


def _insert(attachment: Attachment, technique: Normalisation) -> None:
    chosen = [layer for layer in surgery.layers(attachment.model, technique.on, _who(technique)) if not layer.last]
    fitting = [(layer, surgery.features(layer.module)) for layer in chosen]
    if not any(shape for _, shape in fitting):
        names = ", ".join(layer.name for layer in chosen) or "none but the last"
        raise InputError(
            f"{_who(technique)}: there must be a linear or convolution layer in front of the last one, found {names}; "
            "choose layers with on=."
        )
    for layer, shape in fitting:
        if shape is None:
            continue
        if hasattr(layer.module, technique.name()):
            raise InputError(
                f"{_who(technique)}: layer '{layer.name}' has a {technique.name()} already; choose others with on=."
            )
        added = technique.layer(*shape).to(next(layer.module.parameters()))
        handle = surgery.append_layer(layer.module, technique.name(), added)
        attachment.layers.append((handle, layer.module, technique.name()))


def _perturb(attachment: Attachment, technique: Noise) -> None:
    for layer in surgery.layers(attachment.model, technique.on, _who(technique)):
        acting = technique.at(layer.first)
        if acting is not None:
            hook = Perturb(acting, attachment.source)
            attachment.noises.append(surgery.change_input(layer.module, hook))


def _who(technique: Technique) -> str:
    return type(technique).__name__
