"""Which runs can be one program: the same techniques at the same places, whatever their strengths."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from torch import nn
from torch.nn.modules.dropout import _DropoutNd

from goodfit.recipe import Recipe
from goodfit.stages import Normalization, OnEpoch, OnEval, OnLoss, OnSample, Scheduled, TrainableStrengths
from goodfit.surgery import has_batch_norm
from goodfit.technique import Technique
from goodfit.train.config import Training

SHARED = ("batch_size", "optimizer", "loss", "metric", "accumulate")
"""The settings that the runs of a population have in common; the others are each one's own."""


@dataclass
class Structure:
    """The techniques of a population's runs, in an order that is every run's own."""

    settings: Hashable
    techniques: list[Technique]  # one of each

    def merged(self, recipe: Recipe) -> list[Technique] | None:
        """The techniques with a recipe's among them; None where its runs need another program."""
        merged, end = list(self.techniques), 0
        for technique in inside(recipe):
            found = [i for i, other in enumerate(merged) if form(other) == form(technique)]
            if not found:
                if any(spot(other) == spot(technique) for other in merged):
                    return None
                merged.insert(end, technique)
            elif found[0] < end:
                return None  # the others have it in another order
            end = found[0] + 1 if found else end + 1
        own, known = ({form(t) for t in some} for some in (inside(recipe), self.techniques))
        if any(not mergeable(t) and not (form(t) in own and form(t) in known) for t in merged):
            return None
        return merged if sum(isinstance(t, OnEval) for t in merged) <= 1 else None

    def align(self, recipe: Recipe) -> tuple[Recipe, tuple[bool, ...]]:
        """A recipe with the population's techniques, in neutral form where it has none; and which are its own."""
        aligned, own, remaining = [], [], inside(recipe)
        for technique in self.techniques:
            mine = bool(remaining) and form(remaining[0]) == form(technique)
            aligned.append(remaining.pop(0) if mine else neutral(technique))
            own.append(mine)
        return Recipe(tuple(aligned)), tuple(own)


def inside(recipe: Recipe) -> list[Technique]:
    """The techniques that are part of the program, by stage; the others act between its calls."""
    return sorted((t for t in recipe if not isinstance(t, OnSample | OnEpoch)), key=lambda t: t.stage())


def spot(technique: Technique) -> Hashable:
    """What a recipe has only one of."""
    return type(technique), technique.on


def form(technique: Technique) -> Hashable:
    """What two techniques must share to be one place in a program: everything but the strengths.

    >>> from goodfit.techniques import Dropout
    >>> form(Dropout(0.1)) == form(Dropout(0.5)) != form(Dropout(0.5, on="first"))
    True
    """
    fixed = isinstance(technique, Normalization)
    numbers = () if fixed else floats(technique)
    values = {name: value for name, value in technique.values().items() if name not in numbers and name != "schedule"}
    still = isinstance(technique, TrainableStrengths) and technique.idle()  # then nothing is learned
    return type(technique), tuple(values.items()), still


def floats(technique: Technique) -> list[str]:
    """The knobs that may differ from member to member."""
    return [name for name, knob in technique.knobs().items() if isinstance(knob.default, float)]


def mergeable(technique: Technique) -> bool:
    """Whether runs without a technique may be trained in one program with it."""
    return (
        technique.cheap_when_neutral
        and bool(technique.strengths())
        and not isinstance(technique, TrainableStrengths | Normalization)
    )


def neutral(technique: Technique) -> Technique:
    """A technique with strengths that do nothing."""
    strengths = {name: technique.knobs()[name].neutral for name in technique.strengths()}
    return technique.with_values(**strengths, **({"schedule": "constant"} if "schedule" in technique.knobs() else {}))


def settings(training: Training) -> tuple[object, ...]:
    """What the trainings of a population have in common."""
    return tuple(getattr(training, name) for name in SHARED)


def why_alone(model: nn.Module, recipe: Recipe, training: Training) -> str:
    """Why a run cannot be part of a population; empty where it can, as far as can be told before it is tried."""
    for technique in recipe:
        if technique.not_vectorizable:
            return f"{technique.name()}: {technique.not_vectorizable}"
        if (
            isinstance(technique, TrainableStrengths)
            and isinstance(technique, Scheduled)
            and technique.schedule != "constant"
        ):
            return f"{technique.name()}: it is learned, and follows a schedule besides"
    for name, module in model.named_modules():
        if isinstance(module, nn.RNNBase | nn.RNNCellBase):
            return f"layer '{name}' ({type(module).__name__}): torch's recurrent layers cannot be stacked"
    passing = [t for t in recipe.at(OnLoss) if not t.cheap_when_neutral]
    if passing and any(getattr(m, "p" if isinstance(m, _DropoutNd) else "dropout", 0.0) for m in _dropping(model)):
        return f"{passing[0].name()}: the network's own dropout draws anew in its further passes"
    if training.accumulate > 1:
        return "accumulate: a network whose batches are taken in parts is large enough to be trained by itself"
    normed = has_batch_norm(model) or any(isinstance(t, Normalization) and "batch" in t.name() for t in recipe)
    if normed and recipe.at(OnEval):
        return f"{recipe.at(OnEval)[0].name()}: batch norms need their statistics anew for averaged weights"
    return ""


def _dropping(model: nn.Module) -> list[nn.Module]:
    return [m for m in model.modules() if isinstance(m, _DropoutNd | nn.MultiheadAttention)]


def group(keyed: Sequence[tuple[Hashable, Recipe]]) -> list[tuple[Structure, list[int]]]:
    """The structures of runs, each given by its settings and its recipe, with the numbers of their runs.

    The order of the runs does not matter: the largest recipes come first.
    """
    groups: list[tuple[Structure, list[int]]] = []
    for number in sorted(range(len(keyed)), key=lambda i: (-len(keyed[i][1]), keyed[i][1].text(), i)):
        key, recipe = keyed[number]
        for structure, numbers in groups:
            merged = structure.merged(recipe) if structure.settings == key else None
            if merged is not None:
                structure.techniques = merged
                numbers.append(number)
                break
        else:
            groups.append((Structure(key, inside(recipe)), [number]))
    return groups


def example(structure: Structure, aligned: Sequence[Recipe]) -> Recipe:
    """A recipe that has everything that any member has: its hooks are the program's."""
    techniques = []
    for i, technique in enumerate(structure.techniques):
        values = {}
        for name in technique.strengths():
            idle = technique.knobs()[name].neutral
            given = [getattr(recipe.techniques[i], name) for recipe in aligned]
            values[name] = next((value for value in given if value != idle), idle)
        techniques.append(technique.with_values(**values))
    return Recipe(tuple(techniques))
