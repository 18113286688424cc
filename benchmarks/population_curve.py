"""How the time of a member's step depends on members and width, and where a population stops paying."""

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import replace

import tables
import torch
from population_members import goodfit, members, rows
from population_rounds import Row, cold
from population_tables import grid, micros, ratio
from rounds import warn_of_neighbours
from timing import take_turns

COUNTS, WIDTHS = (1, 2, 8, 32, 128), (16, 64, 256, 1024)
MOST = {1024: 8}  # members of wide networks: more would take minutes
QUICK_COUNTS, QUICK_WIDTHS = (1, 8, 32), (16, 64)
EPOCHS = {16: 20, 64: 20, 256: 8, 1024: 2}  # wide steps are long enough to be timed with few
ALONE = 2  # members of the solo runs, whose time per step does not depend on how many there are


def curve(given: argparse.Namespace) -> str:
    """Machine, conditions and table as Markdown."""
    torch.set_num_threads(given.threads)
    warn_of_neighbours()
    counts, widths = (QUICK_COUNTS, QUICK_WIDTHS) if given.quick else (COUNTS, WIDTHS)
    rounds = min(given.rounds, 3)
    measured = {width: _width(width, counts, rounds) for width in widths}
    heads = ["hidden width", "one after another", *map(str, counts), "pays with"]
    lines = [_cells(width, both, len(counts)) for width, both in measured.items()]
    about = (
        f"µs per member and step of 20-width-width-2, batch {rows().batch}, by the number of members of a population, "
        f"beside one run after another; the members, rows and techniques of the table above. Whole calls, without the "
        f"first of each; medians of {rounds} rounds taken in turn. It pays where the population is the faster one."
    )
    return "\n\n".join([tables.machine(given.threads, ("torch", "numpy", "goodfit")), about, grid(heads, lines)])


def _width(width: int, counts: Sequence[int], rounds: int) -> list[Row]:
    """The runs one after another, then the populations."""
    problem = replace(rows(), name=f"width {width}", sizes=(20, width, width, 2))
    sizes = {f"width {width}, alone": (ALONE, False)} | {f"width {width}, {n} members": (n, True) for n in counts}
    taking = []
    for name, (count, together) in sizes.items():
        if count > MOST.get(width, count):
            continue
        enter = goodfit(members(count), 1, population=together)
        taking.append(Row(cold(name, enter, problem, EPOCHS[width]), count, problem))
    take_turns([row.record for row in taking], rounds, EPOCHS[width])
    return taking


def _cells(width: int, taking: Sequence[Row], counts: int) -> list[str]:
    alone, *together = taking
    paying = [str(row.members) for row in together if ratio(row.micros, alone.micros) < 1]
    times = [micros(statistics.median(row.micros)) for row in taking]
    times += ["–"] * (counts + 1 - len(times))
    return [str(width), *times, f"{', '.join(paying)} members" if paying else "never"]
