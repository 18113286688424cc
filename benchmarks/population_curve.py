"""Measure how the time per member and step depends on members and width, and where a population pays off."""

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import replace

import tables
import torch
from population_comparison import first_call
from population_members import goodfit, members, rows
from population_row import Row
from population_tables import grid, micros, ratio
from timing import take_turns
from trainer_comparison import warn_if_busy

COUNTS, WIDTHS = (1, 2, 8, 32, 128), (16, 64, 256, 1024)
MOST = {1024: 8}  # limits of members for wide networks: more would take minutes
QUICK_COUNTS, QUICK_WIDTHS = (1, 8, 32), (16, 64)
EPOCHS = {16: 20, 64: 20, 256: 8, 1024: 2}  # steps of wide networks are long enough for few epochs
ONE_BY_ONE = 2  # runs that are trained one by one; their time per step does not depend on their number


def curve(options: argparse.Namespace) -> str:
    """Machine, conditions and table as Markdown."""
    torch.set_num_threads(options.threads)
    warn_if_busy()
    counts, widths = (QUICK_COUNTS, QUICK_WIDTHS) if options.quick else (COUNTS, WIDTHS)
    rounds = min(options.rounds, 3)
    measured = {width: _width(width, counts, rounds) for width in widths}
    heads = ["hidden width", "one by one", *map(str, counts), "population is faster with"]
    lines = [_cells(width, both, len(counts)) for width, both in measured.items()]
    about = (
        f"µs per member and step of 20-width-width-2, batch {rows().batch}, for runs trained one by one and for "
        "populations of different sizes; members, rows and techniques as in the table above. Whole calls, without the "
        f"first of each; medians of {rounds} alternating rounds."
    )
    return "\n\n".join([tables.machine(options.threads, ("torch", "numpy")), about, grid(heads, lines)])


def _width(width: int, counts: Sequence[int], rounds: int) -> list[Row]:
    """Time the runs one by one, then the populations."""
    problem = replace(rows(), name=f"width {width}", sizes=(20, width, width, 2))
    sizes = {f"width {width}, one by one": (ONE_BY_ONE, False)}
    sizes |= {f"width {width}, {n} members": (n, True) for n in counts}
    results = []
    for name, (count, together) in sizes.items():
        if count > MOST.get(width, count):
            continue
        enter = goodfit(members(count), 1, population=together)
        results.append(Row(first_call(name, enter, problem, EPOCHS[width]), count, problem))
    take_turns([row.record for row in results], rounds, EPOCHS[width])
    return results


def _cells(width: int, results: Sequence[Row], counts: int) -> list[str]:
    one_by_one, *populations = results
    faster = [str(row.members) for row in populations if ratio(row.micros, one_by_one.micros) < 1]
    times = [micros(statistics.median(row.micros)) for row in results]
    times += ["–"] * (counts + 1 - len(times))
    return [str(width), *times, f"{', '.join(faster)} members" if faster else "never"]
