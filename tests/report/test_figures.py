"""The figures of a page."""

from goodfit.report import theme
from goodfit.report.figures import page_figures
from goodfit.report.page import Page


def test_every_figure_has_a_text_alternative(page: Page) -> None:
    figures = page_figures(page)
    assert set(figures) == {
        "differences",
        *(f"{kind}-{i}" for kind in ("curves", "weights") for i in range(15)),
    }
    for figure in figures.values():
        assert figure.layout.meta["alt"]
        assert figure.layout.meta["caption"]
        assert figure.layout.paper_bgcolor == theme.CLEAR
