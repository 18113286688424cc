"""A recipe on a network, as the rules see it: techniques by name, and what each one acts on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property

from torch import nn

from goodfit import surgery
from goodfit.errors import InputError
from goodfit.linter.flow import Place, behind, places
from goodfit.stages import Noise, Normalisation, OnModel, OnWeights, acting_noises, why_not
from goodfit.technique import Technique


def number(technique: Technique, knob: str) -> float:
    """The value of a knob that is a number."""
    return float(getattr(technique, knob))


def names(techniques: Sequence[Technique]) -> tuple[str, ...]:
    """The names in recipes."""
    return tuple(t.name() for t in techniques)


class View:
    """The techniques that do something, and their network."""

    def __init__(self, techniques: Sequence[Technique], model: nn.Module) -> None:
        self.techniques = tuple(t for t in techniques if not t.idle())
        self.model = model

    def named(self, *wanted: str) -> list[Technique]:
        """The techniques of these names, in the recipe's order."""
        return [t for t in self.techniques if t.name() in wanted]

    def has(self, *wanted: str) -> bool:
        """Whether there is a technique of one of these names."""
        return bool(self.named(*wanted))

    def get(self, name: str) -> Technique | None:
        """The first technique of this name."""
        return next(iter(self.named(name)), None)

    def tensors(self, technique: Technique) -> list[surgery.WeightRef]:
        """The weight tensors that a technique's selector chooses and that it acts on; none where it matches nothing."""
        try:
            chosen = surgery.select(self.model, str(getattr(technique, "on", "kernel")))
        except InputError:
            return []
        return [s for s in chosen if not (isinstance(technique, OnWeights) and why_not(technique, s))]

    def shared(self, *techniques: Technique) -> tuple[str, ...]:
        """The names of the tensors that all of these act on."""
        each = [[ref.name for ref in self.tensors(t)] for t in techniques]
        return tuple(name for name in each[0] if all(name in names for names in each[1:]))

    def layers(self, technique: OnModel) -> list[surgery.Layer]:
        """The layers at which a technique acts; none where its selector matches nothing."""
        try:
            chosen = surgery.layers(self.model, technique.on)
        except InputError:
            return []
        if isinstance(technique, Noise):
            return [layer for layer, noise in acting_noises(technique, chosen) if not _silent(noise)]
        if isinstance(technique, Normalisation):
            return [layer for layer in chosen if not layer.last and surgery.features(layer.module)]
        return chosen

    @cached_property
    def flow(self) -> list[Place]:
        """What a sample passes, in the order in which the network's modules were registered."""
        return places(self.model, self._standing(Noise), self._standing(Normalisation))

    @cached_property
    def normalised(self) -> dict[str, Place]:
        """Layers whose output goes into a normalisation → that normalisation."""
        return behind(self.flow)

    def _standing(self, stage: type[OnModel]) -> dict[int, list[Technique]]:
        found: dict[int, list[Technique]] = defaultdict(list)
        for technique in self.techniques:
            if isinstance(technique, stage):
                for layer in self.layers(technique):
                    found[id(layer.module)].append(technique)
        return found


def _silent(noise: Noise) -> bool:
    """Whether the strength on this layer's input is the neutral one (that on the other inputs may not be)."""
    main = noise.main_knob()
    return main is not None and getattr(noise, main) == noise.knobs()[main].neutral
