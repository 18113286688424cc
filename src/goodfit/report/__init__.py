"""The report: one HTML file that works offline."""

from __future__ import annotations

from pathlib import Path

from goodfit.report.build import headline, interval_text, run_page, study_page
from goodfit.report.html import write
from goodfit.study import Study
from goodfit.train import Run

__all__ = ["headline", "interval_text", "write_report"]


def write_report(of: Run | Study, path: str | Path, reproduce: tuple[tuple[str, str], ...] = ()) -> Path:
    """Write the report of a run or a study as one self-contained HTML file; returns its path.

    `reproduce` adds pairs of a caption and a command to the section on how to get the same result.

    Raises:
        InputError: a study without a single finished run.
    """
    page = study_page(of, reproduce) if isinstance(of, Study) else run_page(of, reproduce)
    return write(page, Path(path))
