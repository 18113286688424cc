"""A member's techniques by the places at which a program asks for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from goodfit.recipe import Recipe
from goodfit.stages import (
    Attack,
    Augmentation,
    BatchTransform,
    HiddenMix,
    OnEval,
    OnGrads,
    OnLoss,
    OnModel,
    OnWeights,
    Scheduled,
)
from goodfit.technique import Technique
from goodfit.train.population.grouping import neutral
from goodfit.train.stages.on_model import Attachment


@dataclass(frozen=True)
class SiteTechnique:
    """A technique at a place."""

    technique: Technique
    draws: bool  # whether a solo run would draw random numbers here

    @property
    def scheduled(self) -> bool:
        """Whether its strengths change while training goes on."""
        return isinstance(self.technique, Scheduled) and self.technique.schedule != "constant"

    def at(self, done: float) -> Any:
        """The technique as strong as it is when a share `done` of training lies behind."""
        return self.technique.at(done) if isinstance(self.technique, Scheduled) else self.technique


def by_place(attachment: Attachment, aligned: Recipe, own: tuple[bool, ...]) -> dict[str, SiteTechnique]:
    """Each place with what a member's recipe does there."""
    mine = {id(technique): is_own for technique, is_own in zip(aligned, own, strict=True)}
    stages: dict[str, list[Any]] = {
        "augment": aligned.at(Augmentation), "batch": [t for t in aligned if isinstance(t, BatchTransform | Attack)],
        "mix": aligned.at(HiddenMix), "loss": aligned.at(OnLoss), "grads": aligned.at(OnGrads),
        "weights": aligned.at(OnWeights),
    }  # fmt: skip
    found = {
        f"{stage} {i}": SiteTechnique(t, mine[id(t)]) for stage, some in stages.items() for i, t in enumerate(some)
    }
    for technique in aligned.at(OnEval):
        found["eval"] = SiteTechnique(technique, mine[id(technique)])
    inside = aligned.at(OnModel)
    for name, place in attachment.places.items():
        within = inside[place.number]
        acting = place.acting(within)
        found[name] = SiteTechnique(acting or neutral(within), mine[id(within)] and acting is not None)
    return found
