"""The report: one HTML file that works offline."""

from __future__ import annotations

from pathlib import Path

from goodfit import __version__
from goodfit.data import Split
from goodfit.recipe import Recipe
from goodfit.report.build import headline, interval_text, run_page, study_page, with_galleries
from goodfit.report.html import render_augmentation, render_series_charts, write, write_text
from goodfit.report.sample_gallery import sample_galleries, write_contact_sheet
from goodfit.study import Study
from goodfit.train.run import Run

__all__ = ["headline", "interval_text", "write_report", "write_variants"]


def write_report(
    of: Run | Study, path: str | Path, reproduce: tuple[tuple[str, str], ...] = (), data: Split | None = None
) -> Path:
    """Write the report of a run or a study as one self-contained HTML file; returns its path.

    `reproduce` adds pairs of a caption and a command to the section on how to get the same result. `data`: from it, a
    section shows what the recipe's augmentations make of training rows.

    Raises:
        InputError: a study without a single finished run.
    """
    page = study_page(of, reproduce) if isinstance(of, Study) else run_page(of, reproduce)
    return write(with_galleries(page, of, data), Path(path))


def write_variants(split: Split, recipe: Recipe, path: Path, count: int = 12, samples: int = 1, seed: int = 0) -> Path:
    """Write a page of training samples and their variants, and beside it one picture of them.

    The picture is a PNG file of images, clips and sounds, an SVG file of series; of texts and tables there is none.

    Raises:
        InputError: a recipe without augmentations, or one that does not fit the data.
        MissingExtra: pillow is not there.
    """
    of = "one sample" if samples == 1 else f"{samples} samples"
    found = sample_galleries(split, recipe, count, samples, seed)
    written = write_text(
        render_augmentation(f"{split.spec.name}: {count} variants of {of}", recipe.text(), found, __version__), path
    )
    if split.spec.inputs.data_kind.preview == "lines":
        write_text(render_series_charts(found), path.with_suffix(".svg"))
    write_contact_sheet(split, recipe, path.with_suffix(".png"), count, samples, seed)
    return written
