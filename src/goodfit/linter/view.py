"""A recipe on a network, as the rules read it: techniques by name, and the layers and tensors each one acts on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property

from torch import nn

from goodfit import surgery
from goodfit.errors import InputError
from goodfit.linter.flow import FlowItem, flow_items, normalized_layers
from goodfit.stages import Noise, Normalization, OnModel, OnWeights, inapplicable_reason, is_neutral, noise_by_layer
from goodfit.technique import Technique


def number(technique: Technique, knob: str, otherwise: float | None = None) -> float:
    """The value of a numeric knob; `otherwise`: that of techniques without this knob."""
    values = technique.values()
    return float(values[knob] if otherwise is None else values.get(knob, otherwise))


def names(techniques: Sequence[Technique]) -> tuple[str, ...]:
    """The names of techniques, as recipes write them."""
    return tuple(t.name() for t in techniques)


class View:
    """The techniques of a recipe that have an effect, and their network."""

    def __init__(self, techniques: Sequence[Technique], model: nn.Module) -> None:
        self.techniques = tuple(t for t in techniques if not t.idle())
        self.model = model

    def named(self, *names: str) -> list[Technique]:
        """The techniques with one of these names, in the recipe's order."""
        return [t for t in self.techniques if t.name() in names]

    def has(self, *names: str) -> bool:
        """Whether the recipe contains a technique with one of these names."""
        return bool(self.named(*names))

    def get(self, name: str) -> Technique | None:
        """The first technique with this name."""
        return next(iter(self.named(name)), None)

    def tensors(self, technique: Technique) -> list[surgery.WeightRef]:
        """The weight tensors that a technique acts on; empty if its selector matches nothing."""
        try:
            selected = surgery.select(self.model, technique.on or "kernel")
        except InputError:
            return []
        return [
            ref for ref in selected if not (isinstance(technique, OnWeights) and inapplicable_reason(technique, ref))
        ]

    def shared_tensors(self, *techniques: Technique) -> tuple[str, ...]:
        """The names of the tensors that all of these techniques act on."""
        first, *others = [[ref.name for ref in self.tensors(t)] for t in techniques]
        return tuple(name for name in first if all(name in other for other in others))

    def layers(self, technique: OnModel) -> list[surgery.Layer]:
        """The layers that a technique acts on; empty if its selector matches nothing."""
        try:
            selected = surgery.layers(self.model, technique.on)
        except InputError:
            return []
        if isinstance(technique, Noise):
            return [layer for layer, noise in noise_by_layer(technique, selected) if not is_neutral(noise)]
        if isinstance(technique, Normalization):
            return [layer for layer in selected if not layer.last and surgery.features(layer.module)]
        return selected

    @cached_property
    def flow(self) -> list[FlowItem]:
        """The modules and inserted techniques that a sample passes, in the order of registration."""
        return flow_items(self.model, self._by_layer(Noise), self._by_layer(Normalization))

    @cached_property
    def normalized(self) -> dict[str, FlowItem]:
        """Names of layers whose output goes into a normalization → that normalization."""
        return normalized_layers(self.flow)

    def _by_layer(self, stage: type[OnModel]) -> dict[int, list[Technique]]:
        by_layer: dict[int, list[Technique]] = defaultdict(list)
        for technique in self.techniques:
            if isinstance(technique, stage):
                for layer in self.layers(technique):
                    by_layer[id(layer.module)].append(technique)
        return by_layer
