"""Print the results of the commands: verdicts, tables and messages."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from torch import nn

    import goodfit as gf
    from goodfit.diagnosis import Verdict
    from goodfit.explanation import Explanation
    from goodfit.linter import LintMessage
    from goodfit.study import RankedRecipe, Study
    from goodfit.train.config import Training

WIDTH = 110
WARNING = ": warning: "
COLOURS = {"overfit": "red", "underfit": "yellow", "good fit": "green", "cannot tell": "cyan"}


def console() -> Console:
    """Return a console as wide as the terminal, or of fixed width if the output is not a terminal."""
    return Console(width=None if sys.stdout.isatty() else WIDTH)


def message(text: str) -> None:
    """Print a message; it is only wrapped in a terminal."""
    console().print(escape(text), soft_wrap=not sys.stdout.isatty())


def raw(text: str) -> None:
    """Print a text unchanged, for other programs."""
    sys.stdout.write(text)


def renderable(content: Any) -> None:
    """Print anything that rich can render."""
    console().print(content)


def dataset(data: gf.Dataset) -> None:
    """Print a description of a data set."""
    message(repr(data))


def network(name: str, model: nn.Module, training: Training) -> None:
    """Print the network, its size and the training settings."""
    size = sum(p.numel() for p in model.parameters())
    epochs = f"{training.epochs} epoch{'s' * (training.epochs > 1)}"
    message(
        f"Network: {name} ({size:,} parameters). Training: {training.optimizer}, learning rate "
        f"{training.learning_rate:g} ({training.schedule}), batches of {training.batch_size}, {epochs}."
    )


def verdict(result: Verdict, subject: str) -> None:
    """Print a verdict with its findings and the first next step."""
    colour, out = COLOURS[result.label], console()
    out.print(f"\nVerdict on {escape(subject)}: [bold {colour}]{result.label}[/]. {escape(result.headline)}")
    for finding in result.findings:
        out.print(f"  • {escape(finding.title)}: [dim]{escape(finding.evidence)}[/]")
    out.print("  next step: " + escape(result.next_steps[0]))


def run(result: gf.Run) -> None:
    """Print the verdict, the warnings and the scores of a run."""
    from goodfit.diagnosis import diagnose

    verdict(diagnose(result), f"the run ({result.recipe})")
    for warning in result.metadata.get("warnings", ()):
        message(warning)
    if result.stopped:
        message(f"stopped: {result.stopped}")
    if result.epochs:
        row, name = result.row, result.metric
        message(
            f"epoch {result.kept_epoch} of {result.epochs} kept: {name} {row[f'train_{name}']:.4f} on training rows, "
            f"{row[f'stop_{name}']:.4f} on stop rows; loss {row['train_loss']:.4f} and {row['stop_loss']:.4f}"
        )


def study(result: Study) -> None:
    """Print the verdict on the plain network, the ranking, the answer and the test scores."""
    from goodfit.report import headline, test_entries
    from goodfit.study.candidates import PLAIN

    plain = result.verdict()
    if plain is not None:
        verdict(plain, "the plain network")
    console().print(ranking(result))
    message(headline(result))
    for label, score in test_entries(result):
        message(f"test score (measured once): {label} {score}")
    recommended = result.recommended()
    message(f"recommended: {recommended.label if recommended.label != PLAIN else 'the plain network'}")
    notes_of(result)
    warned = [note.split(WARNING)[0] for note in result.notes if WARNING in note]
    if warned:
        message(f"recipes with warnings: {', '.join(dict.fromkeys(warned))}; see the report")
    if not result.complete:
        message(f"{result.notes[-1]}; the same command continues the study")


def nothing_compared(result: Study) -> None:
    """Print why there is no comparison, and what was done."""
    screened = sum(not fit.failure for fit in result.screening)
    if screened:
        message(
            f"No recipe was compared yet; {screened} fits of the screening are finished. The same command continues "
            "the study."
        )
    else:
        message(f"No fit was finished; there is nothing to compare.{first_failure(result)}")
    notes_of(result)


def notes_of(result: Study) -> None:
    """Print what a search reports about itself."""
    for note in result.search_notes:
        message(note)


def first_failure(result: Study) -> str:
    """Return why the first fit failed, as a sentence to append; empty if none has."""
    reason = next((fit.failure for fit in (*result.fits, *result.screening) if fit.failure), "")
    return f" {reason[:1].upper()}{reason[1:]}" if reason else ""


def output_files(folder: Path, report: Path) -> None:
    """Print where the results are."""
    message(f"results in {folder}; open {report}")


def ranking(result: Study) -> Table:
    """Return the ranking of a study as a table."""
    from goodfit.study.candidates import PLAIN

    better = "higher" if result.higher_is_better else "lower"
    title = f"{result.metric} on validation rows ({better} is better), {result.definition.design}; * excludes 0"
    table = Table(title=title, title_justify="left")
    columns = ("recipe", "score", "95 % interval", "vs. plain", "95 % interval", "wins", "gap", "verdict")
    for name in columns:
        table.add_column(name, justify="left" if name in ("recipe", "verdict") else "right", no_wrap=name != "recipe")
    for ranked in result.ranking():
        table.add_row(*_cells(ranked), style="bold" if ranked.candidate.label == PLAIN else "")
    return table


def _cells(ranked: RankedRecipe) -> list[str]:
    score, d = ranked.score, ranked.difference
    if not score.n:
        return [escape(ranked.candidate.label), *["–"] * 6, "failed"]
    interval = f"{score.low:.4f} … {score.high:.4f}" if score.known else "unknown"
    cells = [escape(ranked.candidate.label), f"{score.mean:.4f}", interval]
    if d is None:
        cells += ["", "", ""]
    elif not d.n:
        cells += ["–", "–", "–"]
    else:
        mark = "*" if d.significant else " "
        interval = f"{d.low:+.4f} … {d.high:+.4f}" if d.known else "unknown"
        cells += [f"{d.mean:+.4f}{mark}", interval, f"{ranked.wins}/{d.n}"]
    return [*cells, f"{ranked.gap:+.4f}" if math.isfinite(ranked.gap) else "–", ranked.verdict]


def explanation(result: Explanation, recipe: gf.Recipe, messages: Sequence[LintMessage]) -> None:
    """Print which technique acts where, and the messages of the linter."""
    console().print(result.table(str(recipe)))
    for text in result.whole_run:
        message(f"on the whole run: {text}")
    for warning in messages:
        message(str(warning))
