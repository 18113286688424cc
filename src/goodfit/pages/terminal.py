"""Documentation pages for a terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from goodfit.pages.content import BOLD, STAGES, TechniquePage, by_stage, page
from goodfit.technique import Technique

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

CODE = re.compile(r"(`[^`]+`)")


def terminal(technique: type[Technique]) -> RenderableType:
    """The documentation page of a technique, as a rich renderable."""
    from rich.console import Group
    from rich.text import Text

    read = page(technique)
    where = f"{STAGES[read.stage][1].lower()} (`{read.stage}`)"
    parts: list[RenderableType] = [Text(read.title, "bold cyan"), _text(read.summary), Text()]
    parts += [_text(text, label) for label, text in {"In a recipe": f"`{read.recipe}`", "Stage": where}.items()]
    parts += [_text(note) for note in read.notes]
    parts += [_text(text, label) for label, text in read.opening().items()]
    if read.effect:
        parts += [Text("\nMeasured effect", "bold"), Text(read.effect.caption), Text(read.effect.origin, "dim")]
    parts += [Text("\nKnobs", "bold"), _knob_table(read) if read.knobs else Text("none")]
    if read.constructors:
        parts += [Text("\nOther constructors", "bold")]
        parts += [_text(f"• `{call}`: {purpose}") for call, purpose in read.constructors]
    if read.example:
        parts += [Text("\nExample", "bold"), Text(read.example, "green")]
    return Group(*parts, Text(), *[_text(text, label) for label, text in read.closing().items()])


def _knob_table(read: TechniquePage) -> Table:
    from rich.text import Text

    table = _bare_table("knob", "default", "meaning")
    for k in read.knobs:
        limits = [k.rule, f"search range {k.search}" if k.search else "", f"neutral {k.neutral}" if k.neutral else ""]
        meaning = Text(f"{k.doc} ({k.unit})\n" if k.unit else f"{k.doc}\n")
        meaning.append(" · ".join(filter(None, limits)), "dim")
        table.add_row(Text(k.name, "bold" if k.main else ""), Text(k.default), meaning)
    table.caption = BOLD.replace("`", "").replace("name=", f"{read.name}=") if read.has_main else None
    return table


def catalogue_table(techniques: Iterable[type[Technique]]) -> Table:
    """All techniques by stage, as a rich table."""
    from rich.text import Text

    table = _bare_table("stage", "in a recipe", "what it does")
    for stage, members in by_stage(techniques).items():
        for number, read in enumerate(members):
            title = "" if number else STAGES[stage][1].lower()
            table.add_row(Text(title), Text(read.recipe, "cyan"), _text(read.summary))
        table.add_section()
    table.caption = (
        "goodfit techniques NAME prints the page of one technique: formula, knobs, when it helps, references"
    )
    return table


def _bare_table(*columns: str) -> Table:
    from rich.table import Table

    table = Table(*columns, box=None, pad_edge=False, header_style="dim", caption_justify="left")
    table.columns[0].no_wrap = True
    return table


def _text(text: str, label: str = "") -> Text:
    """A label and text, in which code between backticks is coloured."""
    from rich.text import Text

    pieces = CODE.split(text)
    coloured = [(p.strip("`"), "cyan") if n % 2 else p for n, p in enumerate(pieces)]
    return Text.assemble((f"{label}: ", "bold") if label else "", *coloured)
