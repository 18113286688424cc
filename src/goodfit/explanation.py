"""What a recipe does to a network: one row per tensor and per layer."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from goodfit import surgery
from goodfit.recipe import Recipe
from goodfit.stages import Noise, Normalisation, OnWeights, Projection
from goodfit.technique import Technique

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = ("where", "what", "shape", "acting", "not acting")


@dataclass(frozen=True)
class Line:
    """One tensor or layer: what acts on it, and what does not and why."""

    where: str
    what: str
    shape: str
    acting: tuple[str, ...]
    absent: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    """All rows, and the techniques that act on the batch, the gradient or the run as a whole."""

    lines: tuple[Line, ...]
    elsewhere: tuple[str, ...]

    def rows(self) -> list[tuple[str, ...]]:
        """The rows as text, in the order of `COLUMNS`."""
        return [(n.where, n.what, n.shape, ", ".join(n.acting) or "–", "; ".join(n.absent)) for n in self.lines]

    def frame(self) -> pd.DataFrame:
        """The rows as a pandas frame."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=list(COLUMNS))

    def __str__(self) -> str:
        table = self.frame().to_string(index=False)
        return "\n".join([table, *(f"on the whole: {text}" for text in self.elsewhere)])


def explain(model: nn.Module, recipe: Recipe | Technique | str) -> Explanation:
    """Which technique of a recipe acts on which tensor and layer of a network, how strongly, or why not.

    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> for row in explain(net, "l2=1e-4, dropout=0.25").rows():
    ...     print(row[0], "|", row[3], "|", row[4] or "(acts)")
    0 | – | dropout: its own input (input_rate=0.0)
    2 | dropout=0.25 on its input | (acts)
    0.weight | l2=0.0001 | (acts)
    0.bias | – | l2: on='kernel'
    2.weight | l2=0.0001 | (acts)
    2.bias | – | l2: on='kernel'

    Raises:
        InputError: a selector matches nothing.
    """
    recipe = Recipe.of(recipe)
    lines = [_layer_line(layer, model, recipe) for layer in surgery.layers(model, "kernel bias")]
    chosen = {t: {s.name for s in surgery.select(model, t.on, type(t).__name__)} for t in recipe.at(OnWeights)}
    lines += [_tensor_line(slot, chosen) for slot in surgery.slots(model)]
    acting = (OnWeights, Noise, Normalisation)
    return Explanation(tuple(lines), tuple(_whole(t) for t in recipe if not isinstance(t, acting)))


def _layer_line(layer: surgery.Layer, model: nn.Module, recipe: Recipe) -> Line:
    acting, absent = [], []
    for technique in (*recipe.at(Normalisation), *recipe.at(Noise)):
        name = technique.name()
        here = {id(found.module) for found in surgery.layers(model, technique.on, type(technique).__name__)}
        if id(layer.module) not in here:
            absent.append(f"{name}: on={technique.on!r}")
        elif isinstance(technique, Noise):
            noise = technique.at(layer.first)
            if noise is None:
                absent.append(f"{name}: its own input ({_input_knob(technique)})")
            else:
                acting.append(f"{noise.with_values(**_without_input(noise)).text()} on its input")
        elif layer.last or surgery.features(layer.module) is None:
            absent.append(f"{name}: {'the last layer' if layer.last else 'not a linear or convolution layer'}")
        else:
            acting.append(f"{technique.text()} behind it")
    kind = type(layer.module).__name__
    return Line(layer.name or "(network)", kind, "", tuple(acting), tuple(absent))


def _input_knob(technique: Noise) -> str:
    return ", ".join(f"{n}={v!r}" for n, v in technique.values().items() if n.startswith("input_"))


def _without_input(noise: Noise) -> dict[str, object]:
    return {n: k.default for n, k in noise.knobs().items() if n.startswith("input_")}


def _tensor_line(slot: surgery.Slot, chosen: dict[OnWeights, set[str]]) -> Line:
    acting, absent = [], []
    for technique, names in chosen.items():
        if slot.name not in names:
            why = " is not of a known layer; name it in on=" if slot.kind == "other" else f" on={technique.on!r}"
            absent.append(f"{technique.name()}:{why}")
        elif not slot.tensor.requires_grad:
            absent.append(f"{technique.name()}: frozen")
        elif isinstance(technique, Projection) and slot.tensor.ndim < 2:
            absent.append(f"{technique.name()}: one number per unit has no incoming weights")
        else:
            acting.append(technique.text() + _units(technique, slot))
    shape = "×".join(map(str, slot.tensor.shape))
    return Line(slot.name, slot.kind, shape, tuple(acting), tuple(absent))


def _units(technique: OnWeights, slot: surgery.Slot) -> str:
    if not isinstance(technique, Projection):
        return ""
    reduced = math.prod(slot.tensor.shape[a] for a in technique.axes(slot.unit, slot.tensor.ndim))
    return f" on the {reduced} weights into each of {slot.tensor.numel() // reduced} units"


def _whole(technique: Technique) -> str:
    return f"{technique.text()} ({technique.stage()})"
