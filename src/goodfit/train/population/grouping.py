"""Groups runs that one program can train: the same techniques at the same sites, with any strengths."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from torch import nn

from goodfit.recipe import Recipe
from goodfit.stages import Normalization, OnEpoch, OnEval, OnLoss, OnSample, TrainableStrengths, is_scheduled
from goodfit.surgery import dropout_rate, has_batch_norm
from goodfit.technique import Technique
from goodfit.train.config import Training

SHARED = ("batch_size", "optimizer", "loss", "metric", "accumulate")
"""The settings that all runs of a population share; the others may differ."""


@dataclass
class Structure:
    """The techniques of a population's runs, in an order that agrees with the recipe of every run."""

    settings: Hashable
    techniques: list[Technique]

    def merged(self, recipe: Recipe) -> list[Technique] | None:
        """The techniques together with those of a recipe; None if its runs need another program."""
        merged, end = list(self.techniques), 0
        for technique in program_techniques(recipe):
            positions = [i for i, other in enumerate(merged) if form(other) == form(technique)]
            if not positions:
                if any(_key(other) == _key(technique) for other in merged):
                    return None
                merged.insert(end, technique)
            elif positions[0] < end:
                return None  # it has another order in the other recipes
            end = positions[0] + 1 if positions else end + 1
        own, known = ({form(t) for t in some} for some in (program_techniques(recipe), self.techniques))
        if any(not mergeable(t) and not (form(t) in own and form(t) in known) for t in merged):
            return None
        return merged if sum(isinstance(t, OnEval) for t in merged) <= 1 else None

    def align(self, recipe: Recipe) -> tuple[Recipe, tuple[bool, ...]]:
        """A recipe with all techniques of the population, neutral if it lacks them; and which of them it has itself."""
        aligned, own, remaining = [], [], program_techniques(recipe)
        for technique in self.techniques:
            mine = bool(remaining) and form(remaining[0]) == form(technique)
            aligned.append(remaining.pop(0) if mine else neutral(technique))
            own.append(mine)
        return Recipe(tuple(aligned)), tuple(own)


def program_techniques(recipe: Recipe) -> list[Technique]:
    """The techniques that are part of the program, by stage; the others act between its calls."""
    return sorted((t for t in recipe if not isinstance(t, OnSample | OnEpoch)), key=lambda t: t.stage())


def _key(technique: Technique) -> Hashable:
    """A recipe may have only one technique with this key."""
    return type(technique), technique.on


def form(technique: Technique) -> Hashable:
    """What two techniques must share to be the same technique of a program: everything except float knobs.

    >>> from goodfit.techniques import Dropout
    >>> form(Dropout(0.1)) == form(Dropout(0.5)) != form(Dropout(0.5, on="first"))
    True
    """
    numbers = () if isinstance(technique, Normalization) else float_knobs(technique)
    values = {name: value for name, value in technique.values().items() if name not in numbers and name != "schedule"}
    nothing_learned = isinstance(technique, TrainableStrengths) and technique.idle()
    return type(technique), tuple(values.items()), nothing_learned


def float_knobs(technique: Technique) -> list[str]:
    """The knobs that may differ between members."""
    return [name for name, knob in technique.knobs().items() if isinstance(knob.default, float)]


def mergeable(technique: Technique) -> bool:
    """Whether runs without this technique may be trained in the same program, with neutral strengths."""
    return (
        technique.cheap_when_neutral
        and bool(technique.strengths())
        and not isinstance(technique, TrainableStrengths | Normalization)
    )


def neutral(technique: Technique) -> Technique:
    """The technique with neutral strengths."""
    strengths = {name: technique.knobs()[name].neutral for name in technique.strengths()}
    return technique.with_values(**strengths, **({"schedule": "constant"} if "schedule" in technique.knobs() else {}))


def shared_settings(training: Training) -> tuple[object, ...]:
    """The settings that all runs of a population share."""
    return tuple(getattr(training, name) for name in SHARED)


def not_vectorizable(model: nn.Module, recipe: Recipe, training: Training) -> str:
    """Why a run cannot be part of a population; empty if nothing is known before a trial step."""
    for technique in recipe:
        if technique.not_vectorizable:
            return f"{technique.name()}: {technique.not_vectorizable}"
        if isinstance(technique, TrainableStrengths) and is_scheduled(technique):
            return f"{technique.name()}: it is learned and follows a schedule"
    for name, module in model.named_modules():
        if isinstance(module, nn.RNNBase | nn.RNNCellBase):
            return f"layer '{name}' ({type(module).__name__}): torch's recurrent layers cannot be stacked"
    repeating = [t for t in recipe.at(OnLoss) if not t.cheap_when_neutral]
    if repeating and any(dropout_rate(m) for m in model.modules()):
        return f"{repeating[0].name()}: the network's own dropout draws new numbers in further forward passes"
    if training.accumulate > 1:
        return "accumulate: a network that needs accumulated batches is too large to be stacked"
    batch_norm = has_batch_norm(model) or any(isinstance(t, Normalization) and "batch" in t.name() for t in recipe)
    if batch_norm and recipe.at(OnEval):
        return f"{recipe.at(OnEval)[0].name()}: batch norm statistics must be recomputed for averaged weights"
    return ""


def group(keyed: Sequence[tuple[Hashable, Recipe]]) -> list[tuple[Structure, list[int]]]:
    """The structures of runs, each with the numbers of its runs.

    `keyed`: the shared settings and the recipe of each run. Their order does not matter: large recipes come first.
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
            groups.append((Structure(key, program_techniques(recipe)), [number]))
    return groups


def template_recipe(structure: Structure, aligned: Sequence[Recipe]) -> Recipe:
    """A recipe in which every strength is active that is active for any member: its hooks are those of the program."""
    techniques = []
    for i, technique in enumerate(structure.techniques):
        values = {}
        for name in technique.strengths():
            neutral_value = technique.knobs()[name].neutral
            strengths = [getattr(recipe.techniques[i], name) for recipe in aligned]
            values[name] = next((value for value in strengths if value != neutral_value), neutral_value)
        techniques.append(technique.with_values(**values))
    return Recipe(tuple(techniques))
