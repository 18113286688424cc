"""Documentation pages as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from goodfit.pages.content import BOLD, STAGES, TechniquePage, by_stage, page, summary_text
from goodfit.technique import Technique

SPECIAL = re.compile(r"(`[^`]+`|\*\*)|(https?://[^\s;,]*[^\s;,.:])|([*<])")


def markdown(technique: type[Technique]) -> str:
    """The text of docs/techniques/NAME.md."""
    read = page(technique)
    use = f"In a recipe: `{read.recipe}`. In Python: `goodfit.techniques.{read.title}`. Stage: "
    parts = [f"# {read.title}", _prose(read.summary), use + f"{STAGES[read.stage][1].lower()} (`{read.stage}`)."]
    parts += [*map(_prose, read.notes), *_labelled(read.opening())]
    if read.effect:
        numbers = f"Numbers: [{read.name}.json](figures/{read.name}.json)."
        parts += [
            "## Measured effect",
            f"![{read.effect.caption}](figures/{read.name}.svg)",
            f"{read.effect.origin} {numbers}",
        ]
    parts += ["## Knobs", *(_knobs(read) if read.knobs else ["None."])]
    if read.constructors:
        calls = "\n".join(f"- `{call}`: {_prose(purpose)}" for call, purpose in read.constructors)
        parts += ["## Other constructors", calls]
    if read.example:
        parts += ["## Example", f"```pycon\n{read.example}\n```"]
    if read.closing():
        parts += ["## Sources", *_labelled(read.closing())]
    origin = f"[{read.source}](../../{read.source})"
    parts += ["---", f"[All techniques](README.md). Generated from {origin} by `make generate`."]
    return "\n\n".join(parts) + "\n"


def _labelled(sections: dict[str, str]) -> list[str]:
    return [f"**{label}:** {_prose(text)}" for label, text in sections.items()]


def _knobs(read: TechniquePage) -> list[str]:
    head = ("knob", "default", "allowed", "search range", "neutral", "unit", "meaning")
    rows = []
    for k in read.knobs:
        name = f"**`{k.name}`**" if k.main else f"`{k.name}`"
        rows.append((name, f"`{k.default}`", k.rule, k.search, k.neutral, k.unit, k.doc))
    return [_table(head, rows), *([BOLD.capitalize().replace("name=", f"{read.name}=") + "."] if read.has_main else [])]


def overview(techniques: Iterable[type[Technique]]) -> str:
    """The text of docs/techniques/README.md: all techniques by stage."""
    parts = [
        "# Techniques",
        "All techniques that a recipe can contain, in the order of a training step. In a terminal, "
        "`goodfit techniques` prints this list, and `goodfit techniques NAME` prints the page of one technique.",
    ]
    for stage, members in by_stage(techniques).items():
        base, title = STAGES[stage]
        rows = [(f"[{read.title}]({read.name}.md)", f"`{read.recipe}`", read.summary) for read in members]
        parts += [f"## {title}", f"`{stage}`. {_prose(summary_text(base))}"]
        parts += [_table(("technique", "in a recipe", "what it does"), rows)]
    parts += ["---", "Generated from the docstrings of the techniques by `make generate`."]
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(_prose(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def _prose(text: str) -> str:
    """Text with the characters escaped that are special in Markdown; code, bold text and links stay.

    >>> print(_prose("2 * a < b, `a*b`, **bold**, https://example.org/a*b."))
    2 \\* a \\< b, `a*b`, **bold**, <https://example.org/a*b>.
    """
    return SPECIAL.sub(lambda m: m[1] or (f"<{m[2]}>" if m[2] else f"\\{m[3]}"), text)
