"""The techniques that `techniques.py` compares, their timing, and the comparison from data to Markdown."""

import argparse
import gc
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import handwritten
import handwritten_layers
import problems
import tables
import torch
from loops import indexed
from problems import Problem
from trainer_comparison import warn_if_busy

import goodfit as gf
from goodfit.data import from_tensors
from goodfit.data.inputs import Inputs
from goodfit.stages import OnEpoch, OnSample, OnWeights, Synthesis
from goodfit.techniques import ALL

NETWORKS = {
    "mnist": (problems.mnist, "784-5×500-10 (case study 1)"),
    "conv": (problems.conv, "conv16-conv32-pool-linear (3×3 filters) on images of 1×28×28"),
}
HANDWRITTEN = handwritten.TECHNIQUES | handwritten_layers.TECHNIQUES
HEADS = ("technique", "added, µs/step", "relative to plain loop", "hand-written: relative", "goodfit / hand-written")
BLOCK = 8  # timings between two timings of the plain loop
HELD_OUT = 128  # rows for the library's evaluation, which is not timed
WARM_UP = 3  # steps that are not timed

Turn = Callable[[int], float]
"""Seed → seconds per step of a new network; building it and its optimizer is not timed."""


@dataclass
class Timed:
    """The timings of one loop, and of the plain loop around each of them, in seconds per step."""

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
    """One row of the table."""

    text: str
    library: Timed
    handwritten: Timed | None = None
    name: str = ""  # of the technique; empty for a loop without one

    @property
    def to_handwritten(self) -> float | None:
        return _ratio(self.library.seconds, self.handwritten.seconds) if self.handwritten else None


def compare(options: argparse.Namespace) -> str:
    """Machine, conditions, limits and table as Markdown."""
    torch.set_num_threads(options.threads)
    make, network = NETWORKS[options.network]
    whole = make(options.data or problems.MNIST)
    problem = first_steps(whole, options.steps)
    print(f"{problem.name}: {problem.origin}", flush=True)
    warn_if_busy()
    able, reasons = can_act(first_steps(whole, WARM_UP), selected(options.only))
    rows = list(table_rows(problem, able))
    warm_up(first_steps(whole, WARM_UP), able)
    plain = take_turns(partial(hand_loop, problem, handwritten.whole_step), loops_of(rows), options.repeats)
    lines = [
        tables.machine(options.threads, ("torch", "numpy")),
        conditions(problem, network, plain, options),
        limits(rows),
        table(rows),
        f"These act between epochs and add nothing to a step: {', '.join(between_epochs())}.",
        f"These cannot act on this network or these data: {_listed(reasons)}.",
    ]
    return "\n\n".join(lines)


# ---- selection ----------------------------------------------------------------------------------------


def first_steps(problem: Problem, steps: int) -> Problem:
    """The problem with only the training rows of the first steps, and few validation rows."""
    rows = steps * problem.batch
    return replace(problem, x=problem.x[:rows], y=problem.y[:rows], xv=problem.xv[:HELD_OUT], yv=problem.yv[:HELD_OUT])


def selected(only: str | None) -> list[str]:
    """The techniques that act in a step, restricted to those that `--only` names."""
    parts = [part.strip() for part in only.lower().split(",")] if only else [""]
    names = [name for name in ALL if name not in between_epochs()]
    return [name for name in names if any(part in name for part in parts)]


def between_epochs() -> list[str]:
    """The techniques that only use the results of an epoch."""
    return [name for name, technique in ALL.items() if issubclass(technique, OnEpoch)]


def can_act(problem: Problem, names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """The techniques that can act on this network and these data, and the reason for each that cannot."""
    able, reasons = [], {}
    for name in names:
        try:
            library(problem, name)(0)
            able.append(name)
        except gf.InputError as reason:
            reasons[name] = _first_part(str(reason))
    return able, reasons


def _first_part(error: str) -> str:
    """The rule in an error message, without the subject and the remedy."""
    return re.split(r"; |\. ", error.split(": ", 1)[1])[0]


def table_rows(problem: Problem, names: Sequence[str]) -> Iterator[Row]:
    """The rows of the table. The first repeats the plain loop, to show the noise."""
    yield Row("plain loop, repeated", Timed(partial(hand_loop, problem, handwritten.whole_step)))
    yield Row("goodfit, empty recipe", Timed(library(problem)))
    for name in names:
        technique = HANDWRITTEN.get(name)
        other = Timed(partial(hand_loop, problem, technique)) if technique else None
        yield Row(f"`{ALL[name]().text()}`", Timed(library(problem, name)), other, name)


def loops_of(rows: Sequence[Row]) -> list[Timed]:
    """All loops in the order in which they are timed; a hand-written form directly follows the library's."""
    return [part for row in rows for part in (row.library, row.handwritten) if part]


# ---- timing -------------------------------------------------------------------------------------------


def hand_loop(problem: Problem, technique: handwritten.Technique, seed: int) -> float:
    """Seconds per step of a hand-written loop, over one epoch."""
    step = technique(problem, problem.network(seed))
    started = time.perf_counter()
    total = torch.zeros(())
    for x, y in indexed(problem):
        total += step(x, y)
    total.item()  # every trainer computes a running loss
    return (time.perf_counter() - started) / problem.steps


def library(problem: Problem, name: str = "") -> Turn:
    """One epoch of goodfit with one technique or none."""
    split = from_tensors(train=(problem.x, problem.y), stop=(problem.xv, problem.yv))
    training = gf.Training(epochs=1, batch_size=problem.batch, optimizer="adam", learning_rate=problem.learning_rate)
    recipe = ALL[name]() if name else ""
    steps = library_steps(problem, name)

    def turn(seed: int) -> float:
        run = gf.fit(problem.network(seed), split, recipe, training, seed=seed, progress=False)
        if run.interrupted:
            raise KeyboardInterrupt
        return run.history["seconds"][0] / steps  # without evaluation

    return turn


def library_steps(problem: Problem, name: str) -> int:
    """Steps per epoch; a technique that draws or synthesizes rows may give more rows than the data hold."""
    count = len(problem.x)
    if name and issubclass(ALL[name], Synthesis):
        count += len(ALL[name]().synthesize(problem.x, problem.y, Inputs(), 0)[1])
    elif name and issubclass(ALL[name], OnSample):
        count = len(ALL[name]().rows(problem.y, torch.arange(count), torch.Generator()))
    return -(-count // problem.batch)


def warm_up(problem: Problem, names: Sequence[str]) -> None:
    """Run a few steps of each hand-written form, untimed (`can_act` has done so for goodfit)."""
    for name in names:
        if name in HANDWRITTEN:
            hand_loop(problem, HANDWRITTEN[name], 0)
    gc.collect()
    gc.freeze()  # makes later collections fast


def take_turns(plain: Turn, loops: Sequence[Timed], rounds: int) -> list[float]:
    """Time A B C … A B C …, with the plain loop before and after each block; returns the times of the plain loop."""
    times = []
    for number in range(rounds):
        started = time.perf_counter()
        before = _timed_turn(plain, number)
        for first in range(0, len(loops), BLOCK):
            block = loops[first : first + BLOCK]
            seconds = [_timed_turn(loop.turn, number) for loop in block]
            after = _timed_turn(plain, number)
            for loop, spent in zip(block, seconds, strict=True):
                loop.seconds.append(spent)
                loop.plain.append((before + after) / 2)
            times.append(before)
            before = after
        times.append(before)
        print(f"round {number + 1} of {rounds}: {time.perf_counter() - started:.0f} s", flush=True)
    return times


def _timed_turn(turn: Turn, seed: int) -> float:
    gc.collect()  # collect the garbage of the previous timing first
    return turn(seed)


def _ratio(seconds: Sequence[float], reference: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(seconds, reference, strict=True))


# ---- Markdown -----------------------------------------------------------------------------------------


def conditions(problem: Problem, network: str, plain: Sequence[float], options: argparse.Namespace) -> str:
    """Describe what was trained and how it was timed."""
    low, middle, high = (1e6 * t for t in (min(plain), statistics.median(plain), max(plain)))
    return (
        f"{network}, batch {problem.batch}, Adam. Each timing covers {options.steps} steps of a new network "
        f"({problem.origin}), without set-up and evaluation. Each recipe holds one technique at its default strength. "
        f"Alternating rounds: {options.repeats}. The plain loop (batch indexing, fused Adam) is timed again after "
        f"every {BLOCK} timings: {middle:.0f} µs/step ({low:.0f}–{high:.0f}). Differences and ratios are medians over "
        "the rounds, relative to the mean of the plain loop before and after."
    )


def limits(rows: Sequence[Row]) -> str:
    """State the limits and the techniques that exceed them."""
    above = [row.name for row in rows if _above(row)]
    return (
        "Limits: penalties, constraints and decay of weights 1.05× the plain loop, ema 1.05×, sam 2.1×; dropout "
        f"1.05× torch's dropout. Exceeded by: {', '.join(above) or 'none'}."
    )


def _above(row: Row) -> bool:
    if row.name == "dropout":
        return (row.to_handwritten or 0.0) > 1.05
    if row.name == "sam":
        return row.library.ratio > 2.1
    return (row.name == "ema" or _on_weights(row.name)) and row.library.ratio > 1.05


def _on_weights(name: str) -> bool:
    return name in ALL and issubclass(ALL[name], OnWeights)


def _listed(reasons: dict[str, str]) -> str:
    return "; ".join(f"{name} ({reason})" for name, reason in reasons.items()) or "none"


def table(rows: Sequence[Row]) -> str:
    """One row per technique, after the plain loop and the empty recipe."""
    lines = [HEADS, ["---"] * len(HEADS), *map(_cells, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cells(row: Row) -> list[str]:
    other = [f"{row.handwritten.ratio:.2f}×", f"{row.to_handwritten:.2f}×"] if row.handwritten else ["–", "–"]
    return [row.text, f"{1e6 * row.library.added:+.0f}", f"{row.library.ratio:.2f}×", *other]
