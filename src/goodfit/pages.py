"""The catalogue for readers: a technique's docstring and knobs as a Markdown page, and for the terminal."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from goodfit import stages
from goodfit.technique import Knob, Technique, Value

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

STAGES: dict[str, tuple[type[Technique], str]] = {
    "OnSample": (stages.OnSample, "Rows"),
    "OnBatch": (stages.OnBatch, "Training batches"),
    "OnModel": (stages.OnModel, "Inside the network"),
    "OnLoss": (stages.OnLoss, "The loss"),
    "OnGrads": (stages.OnGrads, "Gradients"),
    "OnWeights": (stages.OnWeights, "Weights"),
    "OnEval": (stages.OnEval, "Evaluated weights"),
    "OnEpoch": (stages.OnEpoch, "When to stop"),
}
"""Stage → its base class and its heading, in the order of a training step."""

LABEL = re.compile(r"^(Formula|Shape|Helps when|Hurts when|Reference|Differs from [^:\n]+): +", re.MULTILINE)
SOURCES = ("Reference", "Differs")
"""The sections that stand at the end; the others open the page."""
CODE = re.compile(r"(`[^`]+`)")
SPECIAL = re.compile(r"(`[^`]+`|\*\*)|(https?://[^\s;,]*[^\s;,.:])|([*<])")
BOLD = "bold: the knob that `name=value` sets in a recipe"


@dataclass(frozen=True)
class KnobRow:
    """One knob as readers see it: every field is text but `main`."""

    name: str
    default: str
    rule: str
    search: str
    neutral: str
    unit: str
    doc: str
    main: bool


@dataclass(frozen=True)
class Page:
    """What the documentation says of one technique; made from its docstring and its knobs alone."""

    name: str
    title: str
    stage: str
    recipe: str
    source: str
    summary: str
    notes: tuple[str, ...]
    sections: dict[str, str]
    """Label → text, as in the docstring: Formula, Shape, Helps when, Hurts when, Reference, Differs from …"""
    example: str
    knobs: tuple[KnobRow, ...]
    makers: tuple[tuple[str, str], ...]
    """Other ways to make one: the signature and what it is for."""

    def opening(self) -> dict[str, str]:
        """The sections that open the page."""
        return {label: text for label, text in self.sections.items() if not label.startswith(SOURCES)}

    def closing(self) -> dict[str, str]:
        """The sections that end it: where the technique comes from, and what differs from there."""
        return {label: text for label, text in self.sections.items() if label.startswith(SOURCES)}


def page(technique: type[Technique]) -> Page:
    """Read a technique.

    >>> from goodfit.techniques import L2
    >>> page(L2).summary
    'Adds λ Σw² to the cost; weights shrink, and never become exactly zero.'
    >>> page(L2).sections["Shape"], page(L2).knobs[0].search
    ('any weight tensor.', '1e-6 to 0.1, log')
    """
    summary, *blocks = inspect.cleandoc(technique.__doc__ or technique.__name__).split("\n\n")
    texts = [LABEL.split(block) for block in blocks if not block.startswith(">>>")]
    return Page(
        name=technique.name(),
        title=technique.__name__,
        stage=technique.stage(),
        recipe=_tidy(technique().text()),
        source="src/" + technique.__module__.replace(".", "/") + ".py",
        summary=_one_line(summary),
        notes=tuple(_one_line(lead) for lead, *_ in texts if lead.strip()),
        sections={k: _one_line(v) for _, *rest in texts for k, v in zip(rest[::2], rest[1::2], strict=True)},
        example=_example(technique, "\n".join(block for block in blocks if block.startswith(">>>"))),
        knobs=tuple(_row(name, knob, name == technique.main_knob()) for name, knob in technique.knobs().items()),
        makers=tuple(_makers(technique)),
    )


def _row(name: str, knob: Knob, main: bool) -> KnobRow:
    pair = len(knob.search) == 2 and not isinstance(knob.default, str | bool)
    search = (" to " if pair else ", ").join(map(shown, knob.search)) + (", log" if knob.log else "")
    neutral = "" if knob.neutral is None else shown(knob.neutral)
    return KnobRow(name, shown(knob.default), knob.rule(), search, neutral, knob.unit, knob.doc, main)


def shown(value: Value) -> str:
    """A value as a recipe may write it, without needless digits.

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


def _makers(technique: type[Technique]) -> Iterable[tuple[str, str]]:
    for name, member in vars(technique).items():
        if isinstance(member, classmethod) and not name.startswith("_") and not hasattr(Technique, name):
            signature = inspect.signature(getattr(technique, name))
            bare = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
            yield f"{technique.__name__}.{name}{inspect.Signature(bare)}", _first_line(member.__func__)


def _example(technique: type[Technique], example: str) -> str:
    """The doctest, with those imports in front that its module makes for it."""
    if not example:
        return ""
    used = set(re.findall(r"[A-Za-z_]\w*", example))
    lines = []
    for node in ast.parse(inspect.getsource(sys.modules[technique.__module__])).body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            node.names = [n for n in node.names if (n.asname or n.name) in used]
            lines += [f">>> {ast.unparse(node)}"] if node.names else []
    return "\n".join([*lines, f">>> from goodfit.techniques import {technique.__name__}", example])


def _first_line(documented: Any) -> str:
    return _one_line(inspect.cleandoc(documented.__doc__ or "").split("\n\n")[0])


def _one_line(text: str) -> str:
    return " ".join(text.split())


def markdown(technique: type[Technique]) -> str:
    """The page docs/techniques/NAME.md."""
    read = page(technique)
    use = f"In a recipe: `{read.recipe}`. In Python: `goodfit.techniques.{read.title}`. Stage: "
    parts = [f"# {read.title}", _prose(read.summary), use + f"{STAGES[read.stage][1].lower()} (`{read.stage}`)."]
    parts += [*map(_prose, read.notes), *_labelled(read.opening())]
    parts += ["## Knobs", *(_knobs(read) if read.knobs else ["None."])]
    if read.makers:
        made = "\n".join(f"- `{call}`: {_prose(why)}" for call, why in read.makers)
        parts += ["## Other ways to make one", made]
    if read.example:
        parts += ["## Example", f"```pycon\n{read.example}\n```"]
    if read.closing():
        parts += ["## Where it comes from", *_labelled(read.closing())]
    origin = f"[{read.source}](../../{read.source})"
    parts += ["---", f"[All techniques](README.md). Generated from {origin} by `make generate`."]
    return "\n\n".join(parts) + "\n"


def _labelled(sections: dict[str, str]) -> list[str]:
    return [f"**{label}:** {_prose(text)}" for label, text in sections.items()]


def _knobs(read: Page) -> list[str]:
    head = ("knob", "default", "allowed", "searched", "off at", "unit", "meaning")
    rows = []
    for k in read.knobs:
        name = f"**`{k.name}`**" if k.main else f"`{k.name}`"
        rows.append((name, f"`{k.default}`", k.rule, k.search, k.neutral, k.unit, k.doc))
    return [_table(head, rows), *([BOLD.capitalize().replace("name=", f"{read.name}=") + "."] if _main(read) else [])]


def _main(read: Page) -> bool:
    return any(k.main for k in read.knobs)


def overview(techniques: Iterable[type[Technique]]) -> str:
    """The page docs/techniques/README.md: the catalogue by stage."""
    parts = [
        "# Techniques",
        "What a recipe can be made of, in the order in which a training step meets it. The same in a terminal: "
        "`goodfit techniques`, and `goodfit techniques NAME` for one of them.",
    ]
    for stage, members in _by_stage(techniques).items():
        base, title = STAGES[stage]
        rows = [(f"[{read.title}]({read.name}.md)", f"`{read.recipe}`", read.summary) for read in members]
        parts += [f"## {title}", f"`{stage}`. {_prose(_first_line(base))}"]
        parts += [_table(("technique", "in a recipe", "what it does"), rows)]
    parts += ["---", "Generated from the techniques' docstrings by `make generate`."]
    return "\n\n".join(parts) + "\n"


def _by_stage(techniques: Iterable[type[Technique]]) -> dict[str, list[Page]]:
    read = sorted((page(t) for t in techniques), key=lambda p: p.name)
    grouped = {stage: [p for p in read if p.stage == stage] for stage in STAGES}
    return {stage: members for stage, members in grouped.items() if members}


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_prose(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _prose(text: str) -> str:
    """Text with what Markdown would take for its own put out of action; code, bold print and addresses stay.

    >>> print(_prose("2 * a < b, `a*b`, **bold**, https://example.org/a*b."))
    2 \\* a \\< b, `a*b`, **bold**, <https://example.org/a*b>.
    """
    return SPECIAL.sub(lambda m: m[1] or (f"<{m[2]}>" if m[2] else f"\\{m[3]}"), text)


def terminal(technique: type[Technique]) -> RenderableType:
    """The same page for a terminal."""
    from rich.console import Group
    from rich.text import Text

    read = page(technique)
    where = f"{STAGES[read.stage][1].lower()} (`{read.stage}`)"
    parts: list[RenderableType] = [Text(read.title, "bold cyan"), _text(read.summary), Text()]
    parts += [_text(text, label) for label, text in {"In a recipe": f"`{read.recipe}`", "Stage": where}.items()]
    parts += [_text(note) for note in read.notes]
    parts += [_text(text, label) for label, text in read.opening().items()]
    parts += [Text("\nKnobs", "bold"), _knob_table(read) if read.knobs else Text("none")]
    if read.makers:
        parts += [Text("\nOther ways to make one", "bold")]
        parts += [_text(f"• `{call}`: {why}") for call, why in read.makers]
    if read.example:
        parts += [Text("\nExample", "bold"), Text(read.example, "green")]
    return Group(*parts, Text(), *[_text(text, label) for label, text in read.closing().items()])


def _knob_table(read: Page) -> Table:
    from rich.text import Text

    table = _bare_table("knob", "default", "meaning")
    for k in read.knobs:
        limits = [k.rule, f"searched {k.search}" if k.search else "", f"off at {k.neutral}" if k.neutral else ""]
        meaning = Text(f"{k.doc} ({k.unit})\n" if k.unit else f"{k.doc}\n")
        meaning.append(" · ".join(filter(None, limits)), "dim")
        table.add_row(Text(k.name, "bold" if k.main else ""), Text(k.default), meaning)
    table.caption = BOLD.replace("`", "").replace("name=", f"{read.name}=") if _main(read) else None
    return table


def catalogue_table(techniques: Iterable[type[Technique]]) -> Table:
    """The catalogue by stage, for a terminal."""
    from rich.text import Text

    table = _bare_table("stage", "in a recipe", "what it does")
    for stage, members in _by_stage(techniques).items():
        for place, read in enumerate(members):
            title = "" if place else STAGES[stage][1].lower()
            table.add_row(Text(title), Text(read.recipe, "cyan"), _text(read.summary))
        table.add_section()
    table.caption = "goodfit techniques NAME shows one of them: formula, knobs, when it helps, reference"
    return table


def _bare_table(*columns: str) -> Table:
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False, header_style="dim", caption_justify="left")
    table.columns[0].no_wrap = True
    return table


def _text(text: str, label: str = "") -> Text:
    """Text with what is between backticks set off in colour, behind its label."""
    from rich.text import Text

    pieces = CODE.split(text)
    coloured = [(p.strip("`"), "cyan") if n % 2 else p for n, p in enumerate(pieces)]
    return Text.assemble((f"{label}: ", "bold") if label else "", *coloured)
