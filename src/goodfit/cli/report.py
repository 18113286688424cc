"""The command report: the results of a study from its stored predictions."""

from __future__ import annotations

from pathlib import Path

import goodfit as gf
from goodfit.cli import show
from goodfit.errors import InputError
from goodfit.store import check_writable
from goodfit.study.files import StudyFolder
from goodfit.study.save import save_results


def show_report(folder: Path, metric: str | None, out: Path | None) -> None:
    """Print the results of a study and write its report; without another metric, also its tables and best recipe.

    Raises:
        InputError: there is no study or no finished fit in the folder, or the metric does not fit the task.
    """
    study = gf.load_study(folder)
    other = metric is not None and metric != study.metric
    if metric is not None:
        study = study.with_metric(metric)
    if study.best() is None:
        failed = show.first_failure(study) or " Wait until its first fit is finished."
        raise InputError(f"report: the study in '{folder}' must have a fit that did not fail, got none.{failed}")
    if out is not None and out.is_dir():
        raise InputError(f"report: --out must be a file, got the folder '{out}'; add the name of an HTML file.")
    target = check_writable(out or folder / (f"report-{metric}.html" if other else "report.html"), "--out")
    show.study(study)
    command = f"goodfit report {folder}" + (f" --metric {metric}" if other else "")
    with StudyFolder(folder).writing_results():
        if not other:
            save_results(study, folder)
        report = gf.write_report(study, target, (("The command", command),))
    show.output_files(folder, report)
