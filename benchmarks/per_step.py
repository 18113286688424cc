"""Who takes part in `techniques.py`, the turns they take, and the run from the data to the text."""

import argparse
import gc
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import by_hand
import by_hand_inside
import problems
import tables
import torch
from loops import indexed
from problems import Problem
from rounds import warn_of_neighbours

import goodfit as gf
from goodfit.data import from_tensors
from goodfit.stages import OnEpoch, OnSample, OnWeights
from goodfit.techniques import ALL

NETWORKS = {
    "mnist": (problems.mnist, "784-5×500-10 (case study 1)"),
    "conv": (problems.conv, "conv16-conv32-pool-linear (3×3 filters) on images of 1×28×28"),
}
WAYS = by_hand.WAYS | by_hand_inside.WAYS
HEADS = ("technique", "added, µs/step", "to the plain loop", "by hand: to the plain loop", "ours / by hand")
BLOCK = 8  # turns between two of the plain loop
HELD_OUT = 128  # rows of the library's own evaluation, which is not timed
WARM = 3  # steps that do not count

Turn = Callable[[int], float]
"""Seed → seconds per step of a fresh network; building it and its optimizer is not timed."""


@dataclass
class Timed:
    """One loop's turns, and the plain loop's time around each of them, in seconds per step."""

    turn: Turn
    seconds: list[float] = field(default_factory=list)
    plain: list[float] = field(default_factory=list)

    @property
    def added(self) -> float:
        return statistics.median(a - b for a, b in zip(self.seconds, self.plain, strict=True))

    @property
    def ratio(self) -> float:
        """Median of the ratios within each round."""
        return _ratio(self.seconds, self.plain)


@dataclass
class Row:
    """A line of the table."""

    text: str
    ours: Timed
    by_hand: Timed | None = None
    name: str = ""  # of the technique, if there is one

    @property
    def to_by_hand(self) -> float | None:
        return _ratio(self.ours.seconds, self.by_hand.seconds) if self.by_hand else None


def compare(given: argparse.Namespace) -> str:
    """Machine, conditions, limits and table as Markdown."""
    torch.set_num_threads(given.threads)
    make, network = NETWORKS[given.network]
    whole = make(given.data or problems.MNIST)
    problem = few(whole, given.steps)
    print(f"{problem.name}: {problem.origin}", flush=True)
    warn_of_neighbours()
    able, reasons = can_act(few(whole, WARM), chosen(given.only))
    rows = list(take_part(problem, able))
    warm_up(few(whole, WARM), able)
    plain = take_turns(partial(hand_loop, problem, by_hand.whole_step), timed(rows), given.repeats)
    lines = [
        tables.machine(given.threads, ("torch", "numpy", "goodfit")),
        conditions(problem, network, plain, given),
        limits(rows),
        table(rows),
        f"Act between epochs, and add nothing to a step: {', '.join(between_epochs())}.",
        f"Cannot act on this network or these data: {_listed(reasons)}.",
    ]
    return "\n\n".join(lines)


# ---- who takes part -----------------------------------------------------------------------------------


def few(problem: Problem, steps: int) -> Problem:
    """The problem with as many training rows as some steps need, and few validation rows."""
    rows = steps * problem.batch
    return replace(problem, x=problem.x[:rows], y=problem.y[:rows], xv=problem.xv[:HELD_OUT], yv=problem.yv[:HELD_OUT])


def chosen(only: str | None) -> list[str]:
    """The techniques that act in a step, or those of them that were asked for."""
    wanted = [part.strip() for part in only.lower().split(",")] if only else [""]
    names = [name for name in ALL if name not in between_epochs()]
    return [name for name in names if any(part in name for part in wanted)]


def between_epochs() -> list[str]:
    """The techniques that only look at an epoch's results."""
    return [name for name, technique in ALL.items() if issubclass(technique, OnEpoch)]


def can_act(problem: Problem, names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The techniques that train this network on these data, and the library's reason for each of the others."""
    able, reasons = [], {}
    for name in names:
        try:
            library(problem, name)(0)
            able.append(name)
        except gf.InputError as reason:
            reasons[name] = _first_part(str(reason))
    return able, reasons


def _first_part(error: str) -> str:
    """The rule of an error text, without who and the remedy."""
    return re.split(r"; |\. ", error.split(": ", 1)[1])[0]


def take_part(problem: Problem, names: Sequence[str]) -> Iterator[Row]:
    """The rows of the table; the plain loop is there itself, to show the noise."""
    yield Row("the plain loop, once more", Timed(partial(hand_loop, problem, by_hand.whole_step)))
    yield Row("goodfit, nothing on", Timed(library(problem)))
    for name in names:
        way = WAYS.get(name)
        beside = Timed(partial(hand_loop, problem, way)) if way else None
        yield Row(f"`{ALL[name]().text()}`", Timed(library(problem, name)), beside, name)


def timed(rows: Sequence[Row]) -> list[Timed]:
    """Everything that takes turns; a hand-written way comes right behind ours."""
    return [part for row in rows for part in (row.ours, row.by_hand) if part]


# ---- turns --------------------------------------------------------------------------------------------


def hand_loop(problem: Problem, way: by_hand.CallHints, seed: int) -> float:
    """An epoch of a hand-written loop: seconds per step."""
    step = way(problem, problem.network(seed))
    begun = time.perf_counter()
    total = torch.zeros(())
    for x, y in indexed(problem):
        total += step(x, y)
    total.item()  # every trainer keeps a running loss
    return (time.perf_counter() - begun) / problem.steps


def library(problem: Problem, name: str = "") -> Turn:
    """An epoch of goodfit with one technique, or none, on."""
    split = from_tensors(train=(problem.x, problem.y), stop=(problem.xv, problem.yv))
    training = gf.Training(epochs=1, batch_size=problem.batch, optimizer="adam", learning_rate=problem.learning_rate)
    recipe = ALL[name]() if name else ""
    steps = library_steps(problem, name)

    def turn(seed: int) -> float:
        run = gf.fit(problem.network(seed), split, recipe, training, seed=seed, progress=False)
        if run.interrupted:
            raise KeyboardInterrupt
        return run.history["seconds"][0] / steps  # evaluation is not in it

    return turn


def library_steps(problem: Problem, name: str) -> int:
    """Steps of an epoch; a technique that draws rows may draw more of them than there are."""
    rows = torch.arange(len(problem.x))
    if name and issubclass(ALL[name], OnSample):
        rows = ALL[name]().rows(problem.y, rows, torch.Generator())
    return -(-len(rows) // problem.batch)


def warm_up(problem: Problem, names: Sequence[str]) -> None:
    """A few steps of each hand-written way, which do not count (ours had theirs in `can_act`)."""
    for name in names:
        if name in WAYS:
            hand_loop(problem, WAYS[name], 0)
    gc.collect()
    gc.freeze()  # so that tidying up between turns is quick


def take_turns(plain: Turn, loops: Sequence[Timed], rounds: int) -> list[float]:
    """A B C … A B C …, with the plain loop before and after each block; its own times."""
    times = []
    for number in range(rounds):
        begun = time.perf_counter()
        before = _tidy(plain, number)
        for first in range(0, len(loops), BLOCK):
            block = loops[first : first + BLOCK]
            seconds = [_tidy(loop.turn, number) for loop in block]
            after = _tidy(plain, number)
            for loop, own in zip(block, seconds, strict=True):
                loop.seconds.append(own)
                loop.plain.append((before + after) / 2)
            times.append(before)
            before = after
        times.append(before)
        print(f"round {number + 1} of {rounds}: {time.perf_counter() - begun:.0f} s", flush=True)
    return times


def _tidy(turn: Turn, seed: int) -> float:
    gc.collect()  # nobody pays for somebody else's garbage
    return turn(seed)


def _ratio(seconds: Sequence[float], reference: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(seconds, reference, strict=True))


# ---- text ---------------------------------------------------------------------------------------------


def conditions(problem: Problem, network: str, plain: Sequence[float], given: argparse.Namespace) -> str:
    """What was trained and how it was timed."""
    low, middle, high = (1e6 * t for t in (min(plain), statistics.median(plain), max(plain)))
    return (
        f"{network}, batch {problem.batch}, Adam; each timing is {given.steps} steps of a fresh network "
        f"({problem.origin}), without set-up and evaluation. Each technique is on alone, at its default strength. "
        f"Rounds taken in turn: {given.repeats}; the plain loop (batch indexing, fused Adam) is timed anew after every "
        f"{BLOCK} turns: {middle:.0f} µs/step ({low:.0f}–{high:.0f}). Differences and ratios are medians of those "
        "within each round, to the mean of the plain loop's turns before and after."
    )


def limits(rows: Sequence[Row]) -> str:
    """The limits that a table is to keep, and who does not."""
    above = [row.name for row in rows if _above(row)]
    return (
        "Limits: penalties, projections and decays of weights 1.05× the plain loop, ema 1.05×, sam 2.1×; dropout "
        f"1.05× torch's own. Above them: {', '.join(above) or 'none'}."
    )


def _above(row: Row) -> bool:
    if row.name == "dropout":
        return (row.to_by_hand or 0.0) > 1.05
    if row.name == "sam":
        return row.ours.ratio > 2.1
    return (row.name == "ema" or _on_weights(row.name)) and row.ours.ratio > 1.05


def _on_weights(name: str) -> bool:
    return name in ALL and issubclass(ALL[name], OnWeights)


def _listed(reasons: dict[str, str]) -> str:
    return "; ".join(f"{name} ({reason})" for name, reason in reasons.items()) or "none"


def table(rows: Sequence[Row]) -> str:
    """One line per technique, the plain loop and the library with nothing on first."""
    lines = [HEADS, ["---"] * len(HEADS), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: Row) -> list[str]:
    by_hand_too = [f"{row.by_hand.ratio:.2f}×", f"{row.to_by_hand:.2f}×"] if row.by_hand else ["–", "–"]
    return [row.text, f"{1e6 * row.ours.added:+.0f}", f"{row.ours.ratio:.2f}×", *by_hand_too]
