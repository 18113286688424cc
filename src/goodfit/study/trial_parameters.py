"""The numbers of a recipe as parameters of an Optuna trial."""

from __future__ import annotations

import math
from collections.abc import Iterator

from optuna.distributions import FloatDistribution, IntDistribution

from goodfit.errors import InputError
from goodfit.knobs import Knob
from goodfit.recipe import Recipe
from goodfit.technique import Technique

Parameter = tuple[float, FloatDistribution | IntDistribution]
"""A value and the range that contains it."""


def parameters_of(text: str) -> dict[str, Parameter]:
    """Return the parameters of a recipe: its number of techniques, and one for each number in it.

    A categorical parameter with all recipes as its choices would be simpler, but Optuna refuses other choices for a
    parameter that exists, and a study may add recipes. The range of a number may change, and a parameter may be missing
    from some trials. A recipe that cannot be read, because a technique is not registered, has no parameters.

    >>> {name: value for name, (value, _) in parameters_of("l2=0.01, dropout(0.5, input_rate=0.1), batch_norm").items()}
    {'techniques': 3, 'l2': 0.01, 'dropout': 0.5, 'dropout.input_rate': 0.1, 'batch_norm': 1}
    >>> parameters_of("l2=0.01")["l2"][1]
    FloatDistribution(high=0.1, log=True, low=1e-06, step=None)
    """
    try:
        recipe = Recipe.of(text)
    except InputError:
        return {}
    parameters: dict[str, Parameter] = {"techniques": (len(recipe), IntDistribution(0, len(recipe)))}
    for technique in recipe:
        parameters |= dict(_numbers(technique))
    return parameters


def _numbers(technique: Technique) -> Iterator[tuple[str, Parameter]]:
    declared, main = technique.knobs(), technique.main_knob()
    name = technique.name()
    if technique.on and technique.on != declared["on"].default:
        name += f"({technique.on})"  # a recipe may have the technique on other layers too
    if main is None:
        yield name, (1, IntDistribution(0, 1))
    for knob in dict.fromkeys([*([main] if main else []), *technique.changed()]):
        parameter = _parameter(getattr(technique, knob), declared[knob])
        if parameter is not None:
            yield name if knob == main else f"{name}.{knob}", parameter


def _parameter(value: object, knob: Knob) -> Parameter | None:
    """Return a number with its range; None for what is no finite number, and 0 on a logarithmic scale.

    Type and scale follow from the knob, not from the value: they must be the same in all trials.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    if knob.log and value <= 0:
        return None
    ends = [end for end in knob.search if isinstance(end, int | float) and not (knob.log and end <= 0)]
    low, high = min([value, *ends]), max([value, *ends])
    if knob.value_type is int:
        return int(value), IntDistribution(int(low), int(high), log=knob.log)
    return float(value), FloatDistribution(float(low), float(high), log=knob.log)
