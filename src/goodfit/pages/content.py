"""The content of a technique's documentation page, from its docstring, references, knobs and measured effect."""

from __future__ import annotations

import ast
import inspect
import json
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from goodfit import stages
from goodfit.technique import Knob, Technique, Value

STAGES: dict[str, tuple[type[Technique], str]] = {
    "OnSample": (stages.OnSample, "Training rows"),
    "OnBatch": (stages.OnBatch, "Training batches"),
    "OnModel": (stages.OnModel, "Inside the network"),
    "OnLoss": (stages.OnLoss, "Loss"),
    "OnGrads": (stages.OnGrads, "Gradients"),
    "OnWeights": (stages.OnWeights, "Weights"),
    "OnEval": (stages.OnEval, "Evaluated weights"),
    "OnEpoch": (stages.OnEpoch, "Stopping"),
}
"""Stage → its base class and its heading, in the order of a training step."""

LABEL = re.compile(r"^(Formula|Shape|Helps when|Hurts when|Differs from [^:\n]+): +", re.MULTILINE)
BOLD = "bold: the knob that `name=value` sets in a recipe"
SOURCES = ("Reference", "Differs")
"""The sections at the end of the page; all others are at its start."""


@dataclass(frozen=True)
class KnobRow:
    """The row of one knob in the table of knobs."""

    name: str
    default: str
    rule: str
    search: str
    neutral: str
    unit: str
    doc: str
    main: bool


@dataclass(frozen=True)
class Effect:
    """A technique's measured effect on real data."""

    caption: str
    """What the figure shows."""
    origin: str
    """Which network was trained on which data."""


@dataclass(frozen=True)
class TechniquePage:
    """The content of the documentation page of one technique."""

    name: str
    title: str
    stage: str
    recipe: str
    source: str
    summary: str
    notes: tuple[str, ...]
    sections: dict[str, str]
    """Label → text: Formula, Shape, Helps when, Hurts when, Reference, Differs from …"""
    example: str
    knobs: tuple[KnobRow, ...]
    constructors: tuple[tuple[str, str], ...]
    """Other ways to create one: signature and purpose."""
    effect: Effect | None
    """None if it has not been measured yet."""

    @property
    def has_main(self) -> bool:
        """Whether there is a knob that `name=value` sets."""
        return any(k.main for k in self.knobs)

    def opening(self) -> dict[str, str]:
        """The sections at the start of the page."""
        return {label: text for label, text in self.sections.items() if not label.startswith(SOURCES)}

    def closing(self) -> dict[str, str]:
        """The sections at the end of the page: references, and differences from them."""
        return {label: text for label, text in self.sections.items() if label.startswith(SOURCES)}


def page(technique: type[Technique]) -> TechniquePage:
    """Read the page of a technique from its class.

    >>> from goodfit.techniques import L2
    >>> page(L2).summary
    'Adds the penalty λ Σw² to the loss; weights shrink, but do not become exactly zero.'
    >>> page(L2).sections["Shape"], page(L2).knobs[0].search
    ('any weight tensor.', '1e-6 to 0.1, log')
    """
    summary, *blocks = inspect.cleandoc(technique.__doc__ or technique.__name__).split("\n\n")
    texts = [LABEL.split(block) for block in blocks if not block.startswith(">>>")]
    sections = {k: one_line(v) for _, *rest in texts for k, v in zip(rest[::2], rest[1::2], strict=True)}
    opening = {label: text for label, text in sections.items() if not label.startswith(SOURCES)}
    reference = {"Reference": "; ".join(map(str, technique.references))} if technique.references else {}
    return TechniquePage(
        name=technique.name(),
        title=technique.__name__,
        stage=technique.stage(),
        recipe=recipe_text(technique()),
        source=_source(technique),
        summary=one_line(summary),
        notes=tuple(one_line(lead) for lead, *_ in texts if lead.strip()),
        sections=opening | reference | sections,
        example=_example(technique, "\n".join(block for block in blocks if block.startswith(">>>"))),
        knobs=tuple(_row(name, knob, name == technique.main_knob()) for name, knob in technique.knobs().items()),
        constructors=tuple(_constructors(technique)),
        effect=_effects().get(technique.name()),
    )


@cache
def _effects() -> dict[str, Effect]:
    """Name → effect. The file is written by `make figures`; see tools/effects."""
    stored = json.loads(files("goodfit.techniques").joinpath("effects.json").read_text(encoding="utf-8"))
    return {name: Effect(**texts) for name, texts in stored.items()}


def recipe_text(technique: Technique) -> str:
    """The text of a technique in a recipe, without superfluous digits.

    >>> from goodfit.techniques import L1
    >>> recipe_text(L1(1e-05))
    'l1=1e-5'
    """
    return _tidy(technique.text())


def _row(name: str, knob: Knob, main: bool) -> KnobRow:
    pair = len(knob.search) == 2 and not isinstance(knob.default, str | bool)
    search = (" to " if pair else ", ").join(map(shown, knob.search)) + (", log" if knob.log else "")
    neutral = "" if knob.neutral is None else shown(knob.neutral)
    return KnobRow(name, shown(knob.default), knob.rule(), search, neutral, knob.unit, knob.doc, main)


def shown(value: Value) -> str:
    """A knob's value in a recipe, without superfluous digits.

    >>> shown(1e-05), shown(10**9), shown(True), shown("kernel"), shown(float("inf"))
    ('1e-5', '1e9', 'true', "'kernel'", 'inf')
    """
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return repr(value)
    return str(value) if isinstance(value, int) and abs(value) < 10**6 else _tidy(f"{value:g}")


def _tidy(text: str) -> str:
    return re.sub(r"(?<=\de)\+?(-?)0*(?=\d)", r"\1", text)


def _source(technique: type[Technique]) -> str:
    """The file of a technique of the catalogue, else its module."""
    module = technique.__module__
    return f"src/{module.replace('.', '/')}.py" if module.startswith("goodfit.techniques.") else module


def _constructors(technique: type[Technique]) -> Iterable[tuple[str, str]]:
    for name, member in vars(technique).items():
        if isinstance(member, classmethod) and not name.startswith("_") and not hasattr(Technique, name):
            signature = inspect.signature(getattr(technique, name))
            bare = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
            yield f"{technique.__name__}.{name}{inspect.Signature(bare)}", summary_text(member.__func__)


def _example(technique: type[Technique], example: str) -> str:
    """The doctest, preceded by the imports that it uses."""
    if not example:
        return ""
    try:
        module = ast.parse(inspect.getsource(sys.modules[technique.__module__]))
    except (OSError, TypeError, KeyError):  # the class comes from a notebook or an interactive session
        return example
    used = set(re.findall(r"[A-Za-z_]\w*", example))
    lines = []
    for node in module.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            node.names = [n for n in node.names if (n.asname or n.name) in used]
            lines += [f">>> {ast.unparse(node)}"] if node.names else []
    own = technique.__module__
    home = "goodfit.techniques" if own.startswith("goodfit.techniques.") else own
    return "\n".join([*lines, f">>> from {home} import {technique.__name__}", example])


def summary_text(documented: Any) -> str:
    """The first sentence of a docstring."""
    return one_line(inspect.cleandoc(documented.__doc__ or "").split("\n\n")[0])


def one_line(text: str) -> str:
    """Text without line breaks."""
    return " ".join(text.split())


def by_stage(techniques: Iterable[type[Technique]]) -> dict[str, list[TechniquePage]]:
    """Stage → its techniques by name, in the order of a training step."""
    read = sorted((page(t) for t in techniques), key=lambda p: p.name)
    grouped = {stage: [p for p in read if p.stage == stage] for stage in STAGES}
    return {stage: members for stage, members in grouped.items() if members}
