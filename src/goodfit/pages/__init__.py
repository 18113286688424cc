"""Documentation pages of techniques, as Markdown and for the terminal."""

from goodfit.pages.content import STAGES, Effect, KnobRow, TechniquePage, page, recipe_text, shown
from goodfit.pages.markdown import markdown, overview
from goodfit.pages.terminal import catalogue_table, terminal

__all__ = [
    "STAGES",
    "Effect",
    "KnobRow",
    "TechniquePage",
    "catalogue_table",
    "markdown",
    "overview",
    "page",
    "recipe_text",
    "shown",
    "terminal",
]
