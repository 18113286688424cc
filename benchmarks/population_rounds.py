"""Who takes part in `population.py`, and the run from the data to the text."""

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import population_limits as limits
import population_peers
import population_tables as write
import problems
import tables
import torch
from population_members import Member, few, goodfit, members, rows
from population_pairs import Pair
from problems import Problem
from rounds import warn_of_neighbours
from timing import Enter, Record, take_turns, warm_up

LARGE_MEMBERS = 4


@dataclass(frozen=True)
class Row:
    """Everyone is compared by the time of a member's step."""

    record: Record
    members: int
    problem: Problem
    processes: int = 1

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def micros(self) -> list[float]:
        """µs per member and step, round by round."""
        return [1e6 * s / (self.members * self.problem.steps) for s in self.record.seconds]


def compare(given: argparse.Namespace) -> str:
    """Machine, conditions, tables and targets as Markdown."""
    torch.set_num_threads(given.threads)
    warn_of_neighbours()
    many, rates = small_members(given)
    large = large_members(given)
    _warn_of_idlers(many)
    limit = [1e6 * limits.flop_per_step(many[0].problem) / rate for rate in rates]
    lines = [
        tables.machine(given.threads),
        write.conditions(many[0], given, rates),
        write.table(many),
        write.first_calls(many[0], given.epochs),
        write.large(large, given.large_steps),
        write.targets(many, limit, large),
    ]
    return "\n\n".join(lines)


def small_members(given: argparse.Namespace) -> tuple[list[Row], list[float]]:
    """Ours, the peers alone and in pairs, and the products alone; with the product rates of the rounds."""
    problem, chosen = rows(), members(given.members)
    count = given.peer_members
    taking = [Row(cold("goodfit.fit_many", goodfit(chosen, count), problem, given.epochs), given.members, problem)]
    names = _chosen(given.only)
    with Pair(count) as pair:
        for name in names:
            taking += _peer(name, problem, chosen[:count], 1, partial(population_peers.enter, name, chosen[:count]))
            taking += _peer(name, problem, chosen[:count], 2, partial(pair.enter, name))
        taking.append(Row(Record("products", limits.products(problem), 0.0), limits.STACKED, problem, processes=0))
        taking[0].record.epochs = given.epochs
        rates = take_turns([row.record for row in taking], given.rounds, given.peer_epochs)
    return taking, rates


def large_members(given: argparse.Namespace) -> list[Row]:
    """Case study 1's network: as a population, one after another, and as `fit_many` decides."""
    problem, chosen = few(problems.mnist(given.data or problems.MNIST), given.large_steps), members(LARGE_MEMBERS)
    ways = {"fit_many, a population": True, "fit_many, one after another": False, "fit_many, by its own choice": None}
    records = [cold(name, goodfit(chosen, LARGE_MEMBERS, way), problem, 1) for name, way in ways.items()]
    take_turns(records, min(given.rounds, 3), 1)
    return [Row(record, LARGE_MEMBERS, problem) for record in records]


def cold(name: str, enter: Enter, problem: Problem, epochs: int) -> Record:
    """The first call, of as many epochs as the later ones, so that the difference is what it compiles."""
    start = enter(problem)
    turn = start(epochs, 0)
    begun = time.perf_counter()
    turn.fit()
    record = Record(name, start, time.perf_counter() - begun)
    print(f"first call  {name}: {record.first:.4g} s", flush=True)
    return record


def _peer(name: str, problem: Problem, chosen: Sequence[Member], processes: int, enter: Enter) -> list[Row]:
    record = warm_up(name if processes == 1 else f"{name}, {processes} processes", enter, problem)
    return [Row(record, len(chosen), problem, processes)] if record else []


def _chosen(only: str | None) -> list[str]:
    wanted = [part.strip() for part in only.lower().split(",")] if only else [""]
    return [name for name in population_peers.PEERS if any(part in name.lower() for part in wanted)]


def _warn_of_idlers(many: Sequence[Row]) -> None:
    """Nobody is fast by not training."""
    for row in many:
        if row.processes and row.record.accuracy < many[0].record.accuracy - 0.1:
            print(f"WARNING {row.name}: accuracy {row.record.accuracy:.4f} is far below ours", flush=True)
