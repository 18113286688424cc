"""The catalogue for readers: each technique as a Markdown page, and for the terminal."""

from goodfit.pages.markdown import markdown, overview
from goodfit.pages.reading import STAGES, Effect, KnobRow, Page, page, recipe_text, shown
from goodfit.pages.terminal import catalogue_table, terminal

__all__ = [
    "STAGES",
    "Effect",
    "KnobRow",
    "Page",
    "catalogue_table",
    "markdown",
    "overview",
    "page",
    "recipe_text",
    "shown",
    "terminal",
]
