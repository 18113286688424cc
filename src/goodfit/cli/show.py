"""What the commands print: tables and verdicts for people."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    import goodfit as gf
    from goodfit.diagnosis import Verdict
    from goodfit.linter import LintMessage
    from goodfit.study import RankedRecipe, Study

WIDTH = 110
WARNED = ": warning: "
COLOURS = {"overfit": "red", "underfit": "yellow", "good fit": "green", "cannot tell": "cyan"}


def console() -> Console:
    """The terminal, or a fixed width where the output is read by something else."""
    return Console(width=None if sys.stdout.isatty() else WIDTH)


def line(text: str) -> None:
    """One line, not broken where something else than a terminal reads it."""
    console().print(escape(text), soft_wrap=not sys.stdout.isatty())


def plain(text: str) -> None:
    """Text as it is, for programs."""
    sys.stdout.write(text)


def page(renderable: Any) -> None:
    """Anything that rich can draw."""
    console().print(renderable)


def data(dataset: gf.Dataset) -> None:
    """What was loaded."""
    line(repr(dataset))


def verdict(found: Verdict, subject: str) -> None:
    """A verdict with its findings and the next steps."""
    colour, out = COLOURS[found.label], console()
    out.print(f"\n[bold {colour}]{found.label}[/]: {escape(subject)}. {escape(found.headline)}")
    for finding in found.findings:
        out.print(f"  • {escape(finding.title)}: [dim]{escape(finding.evidence)}[/]")
    out.print("  next: " + escape(found.next_steps[0]))


def run(done: gf.Run) -> None:
    """A finished run."""
    from goodfit.diagnosis import diagnose

    verdict(diagnose(done), str(done.recipe))
    for message in done.facts.get("warnings", ()):
        line(message)
    if done.stopped:
        line(f"stopped: {done.stopped}")
    if done.epochs:
        row, name = done.row, done.metric
        line(
            f"epoch {done.kept_epoch} of {done.epochs} kept: {name} {row[f'train_{name}']:.4f} on training rows, "
            f"{row[f'stop_{name}']:.4f} on stop rows; loss {row['train_loss']:.4f} and {row['stop_loss']:.4f}"
        )


def study(answer: Study, folder: Path, report: Path) -> None:
    """The verdict, the ranked table, the test part, and where everything is."""
    from goodfit.report import headline, interval_text

    found, best = answer.verdict(), answer.best()
    if found is not None:
        verdict(found, "the plain network")
    console().print(ranking(answer))
    line(headline(answer))
    for label, estimate in answer.test.items():
        line(f"test part, opened once: {label} {interval_text(estimate)}")
    if best is not None:
        line(f"best recipe: {best.candidate.recipe.text() or 'plain'}")
    warned = [note.split(WARNED)[0] for note in answer.notes if WARNED in note]
    if warned:
        line(f"recipes with warnings: {', '.join(dict.fromkeys(warned))}; see the report")
    if answer.interrupted:
        line(answer.notes[-1])
    written(folder, report)


def written(folder: Path, report: Path) -> None:
    """Where results are."""
    line(f"written to {folder}; open {report}")


def ranking(answer: Study) -> Table:
    """The ranked table."""
    up = "higher" if answer.higher_is_better else "lower"
    table = Table(
        title=f"{answer.metric} on the validation part ({up} is better), {len(answer.seeds)} seeds",
        title_justify="left",
    )
    for name in (
        "recipe",
        "score",
        "95 % interval",
        "to plain",
        "95 % interval",
        "wins",
        "gap",
        "verdict",
    ):
        table.add_column(name, justify="left" if name in ("recipe", "verdict") else "right", no_wrap=name != "recipe")
    for ranked in answer.ranking():
        table.add_row(*_cells(ranked), style="bold" if ranked.candidate.label == "plain" else "")
    return table


def _cells(r: RankedRecipe) -> list[str]:
    spread = f"{r.score.low:.4f} … {r.score.high:.4f}" if r.score.n > 1 else "one seed"
    cells = [escape(r.candidate.label), f"{r.score.mean:.4f}", spread]
    if r.difference is None:
        cells += ["", "", ""]
    else:
        d = r.difference
        mark = "*" if d.significant else " "
        interval = f"{d.low:+.4f} … {d.high:+.4f}" if d.n > 1 else "one seed"
        cells += [f"{d.mean:+.4f}{mark}", interval, f"{r.wins}/{d.n}"]
    return [*cells, f"{r.gap:+.4f}", r.verdict]


def explanation(told: Any, recipe: gf.Recipe, messages: Sequence[LintMessage]) -> None:
    """The rows of `explain`, and what the linter says."""
    console().print(told.table(str(recipe)))
    for text in told.elsewhere:
        line(f"on the run as a whole: {text}")
    for message in messages:
        line(str(message))
