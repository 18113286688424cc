"""What a program's techniques are told: each member's strengths, and random numbers drawn beforehand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from goodfit.stages import Draw, ForwardPass, HiddenMix
from goodfit.train.stages.hooks import LearnedStrengths, StepContext, T


@dataclass(frozen=True)
class Drawing:
    """One occasion in a step at which random numbers are drawn: by what, and for what."""

    place: str
    like: tuple[Any, ...]  # arguments of the technique's `draw`, without values
    layers: int = 0  # of which a HiddenMix chooses one


@dataclass
class StackedContext(StepContext):
    """A source that gives what it was told; or, while a step is tried out, notes what it is asked for."""

    eager: ClassVar[bool] = False

    strengths: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)  # place → knob → value
    draws: Iterator[Draw] = field(default_factory=lambda: iter(()))
    learned: Mapping[int, Tensor] = field(default_factory=dict)  # id of a parameter of the template → its value
    noted: list[Drawing] | None = None
    still: set[str] = field(default_factory=set)  # places at which nothing random happens

    def tell(self, strengths: Mapping[str, Mapping[str, Tensor]], draws: Sequence[Draw]) -> None:
        """What the next pass uses, in the order in which it asks."""
        self.strengths, self.draws = strengths, iter(draws)

    def quiet(self) -> None:
        """As if nothing had been told."""
        self.generator, self.seen, self.noted, self.strengths, self.draws = None, None, None, {}, iter(())
        self.mixes.clear()

    def now(self, technique: T, place: str, learned: LearnedStrengths | None = None) -> T:
        """The technique with each member's strengths."""
        values = {knob: self.learned[id(parameter)] for knob, parameter in (learned or {}).items()}
        return technique.with_values(**{**self.strengths.get(place, {}), **values})

    def draw(self, technique: Any, place: str, *like: Any) -> Draw:
        """The next random numbers."""
        if self.noted is None:
            return () if place in self.still else next(self.draws)
        found = super().draw(technique, place, *like)
        if found:
            self.noted.append(Drawing(place, tuple(map(bare, like))))
        else:
            self.still.add(place)
        return found

    def mix(self, technique: HiddenMix, place: str, layers: int, x: Tensor, y: Tensor) -> tuple[Tensor | int, Draw]:
        """The layer at which each member's rows are mixed, and the random numbers for it."""
        if self.noted is None:
            chosen, *drawn = next(self.draws)
            return chosen, tuple(drawn)
        self.noted.append(Drawing(place, (bare(x), bare(y)), layers))
        found: Draw = technique.draw(x, y, self.generator or torch.default_generator)
        return technique.layer_index(found, layers), found


def bare(found: Any) -> Any:
    """The same shapes, dtypes and devices, without values: all that random numbers may depend on."""
    if isinstance(found, Tensor):
        return torch.empty_like(found)  # in the same order in memory, in which random numbers are filled in
    if isinstance(found, ForwardPass):
        rows = None if found.row_losses is None else bare(found.row_losses)
        hidden, shares = tuple(map(bare, found.activations)), found.frequencies
        return ForwardPass(found.network, bare(found.x), bare(found.y), bare(found.output), rows, hidden, shares)
    return [bare(each) for each in found] if isinstance(found, list | tuple) else found


def drawn(drawing: Drawing, technique: Any, generator: torch.Generator) -> Draw:
    """A member's random numbers for an occasion."""
    found: Draw = technique.draw(*drawing.like, generator)
    if not drawing.layers:
        return found
    place = technique.layer_index(found, drawing.layers)
    return torch.tensor(place, device=drawing.like[0].device), *found
