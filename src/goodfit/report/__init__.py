"""Write reports: one HTML file each, which works offline."""

from __future__ import annotations

from pathlib import Path

from goodfit._version import __version__
from goodfit.data import Split
from goodfit.recipe import Recipe
from goodfit.report.build import run_page, study_page, with_galleries
from goodfit.report.html import render_augmentation, render_series_charts, write, write_text
from goodfit.report.sample_gallery import sample_galleries, write_contact_sheet
from goodfit.report.summary import headline, interval_text, test_entries
from goodfit.study import Study
from goodfit.train.run import Run

__all__ = ["headline", "interval_text", "test_entries", "write_report", "write_variants"]


def write_report(
    result: Run | Study, path: str | Path, reproduce: tuple[tuple[str, str], ...] = (), data: Split | None = None
) -> Path:
    """Write the report of a run or a study as one self-contained HTML file, and return its path.

    Args:
        result: the run or the study.
        path: the file to write.
        reproduce: pairs of a caption and a command, shown in the section on how to reproduce the result.
        data: the split. With it, the report also shows training samples as the recipe augments them.

    Raises:
        InputError: no run of the study was finished.
    """
    page = study_page(result, reproduce) if isinstance(result, Study) else run_page(result, reproduce)
    return write(with_galleries(page, result, data), Path(path))


def write_variants(split: Split, recipe: Recipe, path: Path, count: int = 12, samples: int = 1, seed: int = 0) -> Path:
    """Write a page of training samples with augmented variants, and return its path.

    A picture of the samples is written next to the page: a PNG file for images, clips and sounds, an SVG file for
    series. Texts and tables have no picture.

    Args:
        split: the data.
        recipe: the recipe with augmentations.
        path: the HTML file to write.
        count: the number of variants of each sample.
        samples: the number of samples; they have different classes as far as possible.
        seed: the seed of the augmentations.

    Raises:
        InputError: the recipe has no augmentation, or does not fit the data.
        MissingExtra: Pillow is not installed.
    """
    subject = "one sample" if samples == 1 else f"{samples} samples"
    galleries = sample_galleries(split, recipe, count, samples, seed)
    title = f"{split.spec.name}: {count} variants of {subject}"
    page = write_text(render_augmentation(title, recipe.text(), galleries, __version__), path)
    if split.spec.inputs.data_kind.preview == "lines":
        write_text(render_series_charts(galleries), path.with_suffix(".svg"))
    write_contact_sheet(split, recipe, path.with_suffix(".png"), count, samples, seed)
    return page
