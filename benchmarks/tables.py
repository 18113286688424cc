"""The Markdown of docs/benchmarks.md."""

import os
import platform
import re
import statistics
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from problems import Problem
from timing import Record

PACKAGES = ("torch", "numpy", "scikit-learn", "skorch", "lightning", "keras", "jax")
HEADS = (
    "trainer",
    "s/epoch",
    "min–max",
    "relative to plain loop",
    "relative to limit",
    "first epoch, s",
    "val. accuracy",
)


def machine(threads: int, packages: Sequence[str] = PACKAGES) -> str:
    """Processor, cores, threads and versions, without which times cannot be interpreted."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    versions = ", ".join(f"{name} {_version(name)}" for name in packages)
    return f"{_processor()}, {cores} cores, threads: {threads}; Python {platform.python_version()}, {versions}."


def conditions(problem: Problem, rates: Sequence[float], epochs: int) -> str:
    """Describe what was trained, how it was timed, and the arithmetic limit."""
    rate = statistics.median(rates)
    return (
        f"{problem.network_name}, batch {problem.batch}, Adam; {len(problem.x):,} training rows and, after each epoch, "
        f"a validation pass over {len(problem.xv):,} ({problem.origin}). Alternating rounds: {len(rates)}; "
        f"epochs per timing: {epochs} for all trainers, after one untimed epoch. Building the model is not "
        "timed; what a trainer sets up inside its call to fit is. Ratios to the plain loop are medians over "
        f"the rounds. Arithmetic limit: {problem.flop / rate:.3g} s/epoch, at the "
        f"{rate / 1e9:.0f} GFLOP/s of a large product measured in every round."
    )


def table(records: Sequence[Record], problem: Problem, rates: Sequence[float], per_step: bool) -> str:
    """One row per trainer, the reference first."""
    heads = [*HEADS]
    if per_step:
        heads.insert(3, "µs/step")
    limit = problem.flop / statistics.median(rates)
    reference = records[0].seconds
    rows = [_row(record, reference, limit, problem.steps if per_step else 0) for record in records]
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def write(path: Path, network: str, text: str, kind: str = "solo") -> None:
    """Replace the text between the markers of this network and kind of table, or append markers and text."""
    old = path.read_text(encoding="utf-8") if path.is_file() else ""
    opening, closing = f"<!-- {kind}:{network} -->", f"<!-- /{kind}:{network} -->"
    block = f"{opening}\n{text}\n{closing}"
    between = re.compile(f"{re.escape(opening)}.*?<!-- /?{re.escape(f'{kind}:{network}')} -->", re.DOTALL)
    if between.search(old):
        new = between.sub(lambda _: block, old, count=1)
    elif opening in old:
        new = old.replace(opening, block)
    else:
        new = f"{old.rstrip()}\n\n{block}\n".lstrip()
    path.write_text(new, encoding="utf-8")


def _row(record: Record, reference: Sequence[float], limit: float, steps: int) -> list[str]:
    low, high = min(record.seconds), max(record.seconds)
    cells = [
        record.name,
        f"{record.median:.3g}",
        f"{low:.3g}–{high:.3g}",
        f"{record.ratio(reference):.2f}×",
        f"{record.median / limit:.1f}×",
        f"{record.first:.3g}",
        f"{record.accuracy:.4f}",
    ]
    if steps:
        cells.insert(3, f"{record.median / steps * 1e6:.0f}")
    return cells


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.is_file() and (match := re.search(r"model name\s*:\s*(.+)", listing.read_text())):
        return match[1]
    return platform.processor() or platform.machine()
