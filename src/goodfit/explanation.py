"""Explain where a recipe acts in a network: one row per layer and per weight tensor."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping
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
    is_neutral,
    noise_by_layer,
)
from goodfit.technique import Technique

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

WIDTH = 120
NEUTRAL = "its strength is neutral here"
COLUMNS = ("where", "kind", "shape", "acting", "not acting")


@dataclass(frozen=True)
class ExplanationRow:
    """A layer or weight tensor, the techniques that act on it, and the others with the reason why they do not."""

    where: str
    kind: str
    shape: str
    acting: tuple[str, ...]
    not_acting: tuple[str, ...]


@dataclass(frozen=True)
class Explanation:
    """The rows by layer and tensor, and the techniques that act on the whole run: on batches, gradients or epochs."""

    layers_and_tensors: tuple[ExplanationRow, ...]
    whole_run: tuple[str, ...]

    def rows(self) -> list[tuple[str, ...]]:
        """The rows as text, in the order of `COLUMNS`."""
        return [
            (row.where, row.kind, row.shape, ", ".join(row.acting) or "–", "; ".join(row.not_acting))
            for row in self.layers_and_tensors
        ]

    def frame(self) -> pd.DataFrame:
        """The rows as a pandas DataFrame."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=list(COLUMNS))

    def table(self, title: str = "") -> Table:
        """The rows as a table for a terminal."""
        from rich.table import Table
        from rich.text import Text

        table = Table(title=title or None, title_justify="left")
        for name in COLUMNS:
            table.add_column(name, overflow="fold")
        for row in self.rows():
            table.add_row(*map(Text, row))
        return table

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(width=WIDTH, file=io.StringIO(), color_system=None)
        console.print(self.table())
        table = "\n".join(line.rstrip() for line in console.file.getvalue().splitlines())  # type: ignore[attr-defined]
        return "\n".join([table, *(f"on the whole run: {text}" for text in self.whole_run)])


def explain(model: nn.Module, recipe: Recipe | Technique | str) -> Explanation:
    """Explain which techniques of a recipe act on which layers and tensors, how strongly, or why not.

    >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> for row in explain(net, "l2=1e-4, dropout=0.25").rows():
    ...     print(row[0], "|", row[3], "|", row[4] or "(acts)")
    0 | – | dropout: it reads the network's input (input_rate=0.0)
    2 | dropout=0.25 on its input | (acts)
    0.weight | l2=0.0001 | (acts)
    0.bias | – | l2: not selected by on='kernel'
    2.weight | l2=0.0001 | (acts)
    2.bias | – | l2: not selected by on='kernel'

    A technique whose strengths are all neutral acts nowhere.

    Raises:
        InputError: a selector matches nothing, or a technique computes norms over a dimension that a tensor lacks.
    """
    recipe = Recipe.of(recipe)
    on_tensors = [t for t in recipe if isinstance(t, OnWeights | WeightPerturbation)]
    selected = {t: {s.name for s in surgery.select(model, t.on, type(t).__name__)} for t in on_tensors}
    on_activations = [t for t in recipe.at(OnLoss) if t.uses_activations]
    on_layers: list[OnModel | OnLoss] = [
        *recipe.at(Normalization),
        *on_activations,
        *recipe.at(Noise),
        *recipe.at(Recurrent),
    ]
    chosen = {t: {id(layer.module) for layer in surgery.layers(model, t.on, type(t).__name__)} for t in on_layers}
    rows = [_layer_row(layer, chosen) for layer in _all_layers(model)]
    for technique in recipe.at(BranchNoise):
        rows += _branch_rows(model, technique)
    rows += [_tensor_row(ref, selected) for ref in surgery.weight_refs(model)]
    others = [t for t in recipe if not isinstance(t, OnWeights | OnModel) and t not in on_activations]
    return Explanation(tuple(rows), tuple(f"{t.text()} ({t.stage()})" for t in others if not t.idle()))


def _all_layers(model: nn.Module) -> list[surgery.Layer]:
    """All layers with kernels or biases; none in a network whose only weights are parameters of its own."""
    return surgery.layers(model, "kernel bias") if surgery.ordered_layers(model) else []


def _layer_row(layer: surgery.Layer, chosen: Mapping[OnModel | OnLoss, set[int]]) -> ExplanationRow:
    """The row of a layer; `chosen`: technique → ids of the layers that it selects."""
    acting, not_acting = [], []
    for technique, selected in chosen.items():
        if id(layer.module) not in selected:
            not_acting.append(f"{technique.name()}: not selected by on={technique.on!r}")
            continue
        effect, reason = _at_layer(technique, layer)
        acting += [effect] if effect else []
        not_acting += [f"{technique.name()}: {reason}"] if reason else []
    kind = type(layer.module).__name__
    return ExplanationRow(layer.name or "(network)", kind, "", tuple(acting), tuple(not_acting))


def _at_layer(technique: OnModel | OnLoss, layer: surgery.Layer) -> tuple[str, str]:
    """The effect of a technique at a selected layer, and the reason why it does not act; one of them is empty."""
    if technique.idle():
        return "", NEUTRAL
    if isinstance(technique, Noise):
        at_layer = [noise for _, noise in noise_by_layer(technique, [layer])]
        if at_layer:
            return ("", NEUTRAL) if is_neutral(at_layer[0]) else (f"{_short_text(at_layer[0])} on its input", "")
        if technique.for_layer(layer.first) is None:
            return "", " ".join(filter(None, ("it reads the network's input", _input_knob(technique))))
        return "", "acts only on feature maps, the inputs of convolutions"
    if isinstance(technique, OnLoss):
        return ("", "it reads the network's input") if layer.first else (f"{_short_text(technique)} of its input", "")
    if isinstance(technique, Recurrent):
        recurrent = isinstance(layer.module, nn.RNNBase)
        return (f"{_short_text(technique)} at every time step", "") if recurrent else ("", "not a recurrent layer")
    if layer.last or surgery.features(layer.module) is None:
        return "", "it is the last layer" if layer.last else "not a linear or convolution layer"
    return f"{_short_text(technique)} on its output", ""


def _input_knob(technique: Noise) -> str:
    knobs = ", ".join(f"{n}={v!r}" for n, v in technique.values().items() if n.startswith("input_"))
    return f"({knobs})" if knobs else ""


def _short_text(technique: Technique) -> str:
    """The text of a technique without its selector, because the row names the place, and with rounded numbers."""
    omitted = {n: k.default for n, k in technique.knobs().items() if n == "on" or n.startswith("input_")}
    numbers = {n: float(f"{v:.6g}") for n, v in technique.values().items() if isinstance(v, float)}
    return technique.with_values(**(numbers | omitted)).text()


def _branch_rows(model: nn.Module, technique: BranchNoise) -> list[ExplanationRow]:
    branches = surgery.residual_branches(model, technique.on, type(technique).__name__)
    if technique.idle():
        idle = (f"{technique.name()}: {NEUTRAL}",)
        return [ExplanationRow(name, type(module).__name__, "", (), idle) for name, module in branches]
    texts = [_short_text(technique.branch(number / len(branches))) for number in range(1, len(branches) + 1)]
    return [
        ExplanationRow(name, type(module).__name__, "", (f"{text} on the residual branch that ends here",), ())
        for (name, module), text in zip(branches, texts, strict=True)
    ]


def _tensor_row(ref: surgery.WeightRef, selected: dict[OnWeights | WeightPerturbation, set[str]]) -> ExplanationRow:
    acting, not_acting = [], []
    for technique, names in selected.items():
        reason = _reason(technique, ref, names)
        if reason:
            not_acting.append(f"{technique.name()}: {reason}")
        else:
            acting.append(_short_text(technique) + _extent(technique, ref))
    shape = "×".join(map(str, ref.tensor.shape))
    return ExplanationRow(ref.name, ref.kind, shape, tuple(acting), tuple(not_acting))


def _reason(technique: OnWeights | WeightPerturbation, ref: surgery.WeightRef, names: set[str]) -> str:
    """Why a technique does not act on a tensor; empty if it does."""
    if ref.name not in names:
        if ref.role == surgery.COMPONENT:
            return "component of a parametrized weight"
        return (
            "not a weight of a known layer; name it with on="
            if ref.kind == "other"
            else f"not selected by on={technique.on!r}"
        )
    if technique.idle():
        return NEUTRAL
    if isinstance(technique, OnWeights):
        return inapplicable_reason(technique, ref)
    return "" if ref.role == surgery.DIRECT else "component of a parametrized weight"


def _extent(technique: OnWeights | WeightPerturbation, ref: surgery.WeightRef) -> str:
    """The time or the part of the tensor on which a technique acts."""
    if isinstance(technique, WeightPerturbation):
        return " in each forward pass"
    if not isinstance(technique, Scaling):
        return ""
    shape = ref.blocks()[0].shape
    axes = technique.axes(len(shape))
    reduced = math.prod(shape[a] for a in axes)
    groups = ref.tensor.numel() // reduced
    if axes == tuple(range(1, len(shape))):
        return f" on the {reduced} incoming weights of each of {groups} units"
    return f" on each of {groups} groups of {reduced} weights along dimension {', '.join(map(str, axes))}"
