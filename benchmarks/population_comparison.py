"""The trainers that `population.py` compares, and the comparison from data to Markdown."""

import argparse
import time
from collections.abc import Sequence
from functools import partial

import population_limits as limits
import population_peers
import population_tables as write
import problems
import tables
import torch
from population_members import Member, first_steps, goodfit, members, rows
from population_processes import ProcessPair
from population_row import Row
from problems import Problem
from timing import Enter, Record, take_turns, warm_up
from trainer_comparison import warn_if_busy

LARGE_MEMBERS = 4


def compare(options: argparse.Namespace) -> str:
    """Machine, conditions, tables and targets as Markdown."""
    torch.set_num_threads(options.threads)
    warn_if_busy()
    many, rates = small_members(options)
    large = large_members(options)
    _warn_if_inaccurate(many)
    limit = [1e6 * limits.flop_per_step(many[0].problem) / rate for rate in rates]
    lines = [
        tables.machine(options.threads),
        write.conditions(many[0], options, rates),
        write.table(many),
        write.first_calls(many[0], options.epochs),
        write.large(large, options.large_steps),
        write.targets(many, limit, large),
    ]
    return "\n\n".join(lines)


def small_members(options: argparse.Namespace) -> tuple[list[Row], list[float]]:
    """Rows of goodfit, the other trainers and the matrix products, and the product rate of each round."""
    problem, all_members = rows(), members(options.members)
    count = options.peer_members
    results = [
        Row(
            first_call("goodfit.fit_many", goodfit(all_members, count), problem, options.epochs),
            options.members,
            problem,
        )
    ]
    first = all_members[:count]
    with ProcessPair(count) as pair:
        for name in _selected(options.only):
            results += _peer(name, problem, first, 1, partial(population_peers.enter, name, first))
            results += _peer(name, problem, first, 2, partial(pair.enter, name))
        results.append(Row(Record("products", limits.products(problem), 0.0), limits.STACKED, problem, processes=0))
        results[0].record.epochs = options.epochs
        rates = take_turns([row.record for row in results], options.rounds, options.peer_epochs)
    return results, rates


def large_members(options: argparse.Namespace) -> list[Row]:
    """Time case study 1's network as a population, one by one, and as `fit_many` chooses."""
    problem = first_steps(problems.mnist(options.data or problems.MNIST), options.large_steps)
    settings = {"fit_many, population": True, "fit_many, one by one": False, "fit_many, default": None}
    trainers = {name: goodfit(members(LARGE_MEMBERS), LARGE_MEMBERS, value) for name, value in settings.items()}
    records = [first_call(name, trainer, problem, 1) for name, trainer in trainers.items()]
    take_turns(records, min(options.rounds, 3), 1)
    return [Row(record, LARGE_MEMBERS, problem) for record in records]


def first_call(name: str, enter: Enter, problem: Problem, epochs: int) -> Record:
    """Time the first call, with as many epochs as later ones: the difference is the time of compiling."""
    start = enter(problem)
    turn = start(epochs, 0)
    started = time.perf_counter()
    turn.fit()
    record = Record(name, start, time.perf_counter() - started)
    print(f"first call  {name}: {record.first:.4g} s", flush=True)
    return record


def _peer(name: str, problem: Problem, trained: Sequence[Member], processes: int, enter: Enter) -> list[Row]:
    record = warm_up(name if processes == 1 else f"{name}, {processes} processes", enter, problem)
    return [Row(record, len(trained), problem, processes)] if record else []


def _selected(only: str | None) -> list[str]:
    parts = [part.strip() for part in only.lower().split(",")] if only else [""]
    return [name for name in population_peers.PEERS if any(part in name.lower() for part in parts)]


def _warn_if_inaccurate(many: Sequence[Row]) -> None:
    """Warn about trainers whose accuracy is far below ours: they may be fast because they train badly."""
    for row in many:
        if row.processes and row.record.accuracy < many[0].record.accuracy - 0.1:
            print(f"WARNING {row.name}: accuracy {row.record.accuracy:.4f} is far below that of goodfit", flush=True)
