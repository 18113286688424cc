"""What a recipe does to a network: one row per tensor and per layer."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from goodfit import surgery
from goodfit.recipe import Recipe
from goodfit.stages import (
    BranchNoise,
    Noise,
    Normalization,
    OnLoss,
    OnModel,
    OnWeights,
    Recurrent,
    Scaling,
    WeightPerturbation,
    inapplicable_reason,
    noise_by_layer,
)
from goodfit.technique import Technique

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

WIDTH = 120
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

    def table(self, title: str = "") -> Table:
        """The rows as a table for a terminal."""
        from rich.table import Table
        from rich.text import Text

        drawn = Table(title=title or None, title_justify="left")
        for name in COLUMNS:
            drawn.add_column(name, overflow="fold")
        for row in self.rows():
            drawn.add_row(*map(Text, row))
        return drawn

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(width=WIDTH, file=io.StringIO(), color_system=None)
        console.print(self.table())
        drawn = "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())  # type: ignore[attr-defined]
        return "\n".join([drawn, *(f"on the run as a whole: {text}" for text in self.elsewhere)])


def explain(model: nn.Module, recipe: Recipe | Technique | str) -> Explanation:
    """Which technique of a recipe acts on which tensor and layer of a network, how strongly, or why not.

    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> for row in explain(net, "l2=1e-4, dropout=0.25").rows():
    ...     print(row[0], "|", row[3], "|", row[4] or "(acts)")
    0 | – | dropout: the network's own input (input_rate=0.0)
    2 | dropout=0.25 on its input | (acts)
    0.weight | l2=0.0001 | (acts)
    0.bias | – | l2: on='kernel'
    2.weight | l2=0.0001 | (acts)
    2.bias | – | l2: on='kernel'

    Raises:
        InputError: a selector matches nothing.
    """
    recipe = Recipe.of(recipe)
    on_tensors = [t for t in recipe if isinstance(t, OnWeights | WeightPerturbation)]
    chosen = {t: {s.name for s in surgery.select(model, t.on, type(t).__name__)} for t in on_tensors}
    lines = [_layer_line(layer, model, recipe) for layer in surgery.layers(model, "kernel bias")]
    for technique in recipe.at(BranchNoise):
        lines += _branch_lines(model, technique)
    lines += [_tensor_line(ref, chosen) for ref in surgery.weight_refs(model)]
    in_layers = [t for t in recipe if isinstance(t, OnLoss) and t.uses_activations]
    whole = [t for t in recipe if not isinstance(t, OnWeights | OnModel) and t not in in_layers]
    return Explanation(tuple(lines), tuple(_whole(t) for t in whole))


def _layer_line(layer: surgery.Layer, model: nn.Module, recipe: Recipe) -> Line:
    acting, absent = [], []
    watching = [t for t in recipe.at(OnLoss) if t.uses_activations]
    inside: list[OnModel | OnLoss] = [*recipe.at(Normalization), *watching, *recipe.at(Noise), *recipe.at(Recurrent)]
    for technique in inside:
        on = str(technique.values()["on"])
        here = {id(found.module) for found in surgery.layers(model, on, type(technique).__name__)}
        if id(layer.module) not in here:
            absent.append(f"{technique.name()}: on={on!r}")
            continue
        does, why = _at_layer(technique, layer)
        acting += [does] if does else []
        absent += [f"{technique.name()}: {why}"] if why else []
    kind = type(layer.module).__name__
    return Line(layer.name or "(network)", kind, "", tuple(acting), tuple(absent))


def _at_layer(technique: OnModel | OnLoss, layer: surgery.Layer) -> tuple[str, str]:
    """What a technique does at a chosen layer, or why it does nothing there."""
    if isinstance(technique, Noise):
        noises = [noise for _, noise in noise_by_layer(technique, [layer])]
        if noises:
            return f"{_said(noises[0])} on its input", ""
        if technique.for_layer(layer.first) is None:
            return "", " ".join(filter(None, ("the network's own input", _input_knob(technique))))
        return "", "acts on the maps that flow into convolutions"
    if isinstance(technique, OnLoss):
        return ("", "the network's own input") if layer.first else (f"{_said(technique)} of its input", "")
    if isinstance(technique, Recurrent):
        recurrent = isinstance(layer.module, nn.RNNBase)
        return (f"{_said(technique)} at every time step", "") if recurrent else ("", "not a recurrent layer")
    if layer.last or surgery.features(layer.module) is None:
        return "", "the last layer" if layer.last else "not a linear or convolution layer"
    return f"{_said(technique)} behind it", ""


def _input_knob(technique: Noise) -> str:
    found = ", ".join(f"{n}={v!r}" for n, v in technique.values().items() if n.startswith("input_"))
    return f"({found})" if found else ""


def _said(technique: Technique) -> str:
    """The technique in a row that says where it acts: without its selector, and with numbers that can be read."""
    plain = {n: k.default for n, k in technique.knobs().items() if n == "on" or n.startswith("input_")}
    numbers = {n: float(f"{v:.6g}") for n, v in technique.values().items() if isinstance(v, float)}
    return technique.with_values(**(numbers | plain)).text()


def _branch_lines(model: nn.Module, technique: BranchNoise) -> list[Line]:
    found = surgery.residual_branches(model, technique.on, type(technique).__name__)
    texts = [_said(technique.branch(number / len(found))) for number in range(1, len(found) + 1)]
    return [
        Line(name, type(module).__name__, "", (f"{text} on the branch that ends here",), ())
        for (name, module), text in zip(found, texts, strict=True)
    ]


def _tensor_line(ref: surgery.WeightRef, chosen: dict[OnWeights | WeightPerturbation, set[str]]) -> Line:
    acting, absent = [], []
    for technique, names in chosen.items():
        why = _reason(technique, ref, names)
        if why:
            absent.append(f"{technique.name()}: {why}")
        else:
            acting.append(_said(technique) + _units(technique, ref))
    shape = "×".join(map(str, ref.tensor.shape))
    return Line(ref.name, ref.kind, shape, tuple(acting), tuple(absent))


def _reason(technique: OnWeights | WeightPerturbation, ref: surgery.WeightRef, names: set[str]) -> str:
    if ref.name not in names:
        if ref.role == surgery.COMPONENT:
            return "part of a reparametrised weight"
        return "not of a known layer; name it in on=" if ref.kind == "other" else f"on={technique.on!r}"
    if isinstance(technique, OnWeights):
        return inapplicable_reason(technique, ref)
    return "" if ref.role == surgery.DIRECT else "part of a reparametrised weight"


def _units(technique: OnWeights | WeightPerturbation, ref: surgery.WeightRef) -> str:
    if isinstance(technique, WeightPerturbation):
        return " in each forward pass"
    if not isinstance(technique, Scaling):
        return ""
    blocks = ref.blocks()
    reduced = math.prod(blocks[0].shape[a] for a in technique.axes(blocks[0].ndim))
    return f" on the {reduced} weights into each of {ref.tensor.numel() // reduced} units"


def _whole(technique: Technique) -> str:
    return f"{technique.text()} ({technique.stage()})"
