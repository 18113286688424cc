"""The Markdown of `population.py`."""

import argparse
import statistics
from collections.abc import Sequence
from typing import TYPE_CHECKING

from population_peers import HAND, KERAS, LIGHTNING, SCIKIT_LEARN, SKORCH

if TYPE_CHECKING:
    from population_rounds import Row

FASTEST, SLOW = (HAND, KERAS, SCIKIT_LEARN), (LIGHTNING, SKORCH)
HEADS = (
    "trainer",
    "members",
    "µs per member and step",
    "min–max",
    "to ours",
    "two processes, 1 thread each: µs",
    "to ours",
    "val. accuracy",
    "first call, s",
)


def ratio(a: Sequence[float], b: Sequence[float]) -> float:
    """Median of the ratios within each round."""
    return statistics.median(x / y for x, y in zip(a, b, strict=True))


def grid(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, ["---"] * len(heads), *lines))


def conditions(ours: "Row", given: argparse.Namespace, rates: Sequence[float]) -> str:
    """What was trained, how it was timed and counted."""
    problem = ours.problem
    shape = "-".join(map(str, problem.sizes))
    return (
        f"{ours.members} members of {shape}, batch {problem.batch}, Adam; {len(problem.x):,} training rows and, after "
        f"each epoch, a validation pass over {len(problem.xv):,} ({problem.origin}); L2, dropout, max-norm, label "
        "smoothing and early stopping, strengths and learning rates drawn per member. Each peer trains the first "
        f"{given.peer_members} of the members, one after another; scikit-learn has no dropout, max-norm and label "
        f"smoothing. Rounds taken in turn: {len(rates)}; epochs to a timing: {given.epochs} of ours, a whole "
        f"study, {given.peer_epochs} of a peer's, whose time per step does not depend on it; with a patience that "
        "nobody loses, so that all steps are taken. All members of a round have one seed. µs per member and step = "
        "wall time / steps of all members. Peers' building of networks and Keras' compiling are not timed; our whole "
        "call is. Two processes share a peer's members. Ratios are medians of those within each round. A large "
        "product ran at "
        f"{statistics.median(rates) / 1e9:.0f} GFLOP/s."
    )


def table(many: Sequence["Row"]) -> str:
    """Ours, then each peer alone and in a pair of processes."""
    ours = many[0]
    pairs = {row.name.removesuffix(", 2 processes"): row for row in many if row.processes == 2}
    alone = [row for row in many if row.processes == 1]
    return grid(HEADS, [_cells(row, ours, pairs.get(row.name)) for row in alone])


def _cells(row: "Row", ours: "Row", pair: "Row | None") -> list[str]:
    beside = [_median(pair), f"{ratio(pair.micros, ours.micros):.1f}×"] if pair else ["–", "–"]
    return [
        row.name,
        str(row.members),
        _median(row),
        f"{micros(min(row.micros))}–{micros(max(row.micros))}",
        f"{ratio(row.micros, ours.micros):.1f}×",
        *beside,
        f"{row.record.accuracy:.4f}",
        f"{row.record.first:.3g}",
    ]


def _median(row: "Row") -> str:
    return micros(statistics.median(row.micros))


def micros(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def first_calls(ours: "Row", epochs: int) -> str:
    """What compiling costs: the first call of this process beside later ones."""
    warm = epochs * ours.record.median
    return (
        f"`fit_many`: first call {ours.record.first:.3g} s (nothing compiled yet), later ones {warm:.3g} s, the same "
        f"work; the difference of {ours.record.first - warm:.3g} s is what compiling costs. A peer's first call is one "
        "epoch of all its members, Keras' compiling of each included."
    )


def large(both: Sequence["Row"], steps: int) -> str:
    """Where the arithmetic rules, a population must not cost more than it spares."""
    problem = both[0].problem
    shape = "-".join(map(str, problem.sizes))
    cells = [[row.name, _median(row), f"{ratio(row.micros, both[1].micros):.2f}×"] for row in both]
    return (
        f"{both[0].members} members of {shape} (case study 1), batch {problem.batch}, {steps} steps ({problem.origin}):"
        f"\n\n{grid(('trainer', 'µs per member and step', 'to one after another'), cells)}"
    )


def targets(many: Sequence["Row"], limit: Sequence[float], both: Sequence["Row"]) -> str:
    """What is aimed at; a peer counts with the faster of its two ways."""
    ours = many[0]
    bound = next(row for row in many if row.processes == 0)
    over, above = ratio(ours.micros, limit), ratio(ours.micros, bound.micros)
    large_ratio = ratio(both[0].micros, both[1].micros)
    lines = [
        _beside(many, "torch by hand, Keras, scikit-learn", FASTEST, 10),
        *(_beside(many, name, (name,), 25) for name in SLOW),
        [f"ours over the arithmetic limit ({statistics.median(limit):.3g} µs)", f"{over:.2f}×", "≤ 3×", _met(over, 3)],
        [f"ours over the batched products alone ({_median(bound)} µs)", f"{above:.2f}×", "–", "–"],
        ["case study 1: population / one after another", f"{large_ratio:.2f}×", "≤ 1.10×", _met(large_ratio, 1.10)],
    ]
    return (
        "Arithmetic limit: 6 FLOP per weight and row at the rate of the large product. Batched products: `torch.bmm` "
        f"of all layers forward and backward for {bound.members} members, and nothing else.\n\n"
        + grid(("measure", "value", "target", ""), lines)
    )


def _beside(many: Sequence["Row"], label: str, names: Sequence[str], times: int) -> list[str]:
    """Ours over the fastest way of some peers, as the share 1/n."""
    ways = {row.name: ratio(row.micros, many[0].micros) for row in many if row.name.startswith(tuple(names))}
    ways = {name: value for name, value in ways.items() if name.removesuffix(", 2 processes") in names}
    if not ways:
        return [f"ours / {label}", "missing", f"≤ 1/{times}", "–"]
    fastest = min(ways, key=lambda name: ways[name])
    shown = f"ours / the fastest of {label}: {fastest}" if len(names) > 1 else f"ours / {fastest}"
    return [shown, f"1/{ways[fastest]:.1f}", f"≤ 1/{times}", _met(times, ways[fastest])]


def _met(value: float, limit: float) -> str:
    return "met" if value <= limit else "missed"
