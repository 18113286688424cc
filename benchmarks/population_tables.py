"""The Markdown of `population.py`."""

import argparse
import statistics
from collections.abc import Sequence

from population_peers import HANDWRITTEN, KERAS, LIGHTNING, SCIKIT_LEARN, SKORCH
from population_row import Row

FASTEST, SLOW = (HANDWRITTEN, KERAS, SCIKIT_LEARN), (LIGHTNING, SKORCH)
HEADS = (
    "trainer",
    "members",
    "µs per member and step",
    "min–max",
    "relative to goodfit",
    "two processes, 1 thread each: µs",
    "relative to goodfit",
    "val. accuracy",
    "first call, s",
)


def ratio(a: Sequence[float], b: Sequence[float]) -> float:
    """Median of the ratios within each round."""
    return statistics.median(x / y for x, y in zip(a, b, strict=True))


def grid(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, ["---"] * len(heads), *lines))


def conditions(ours: Row, options: argparse.Namespace, rates: Sequence[float]) -> str:
    """Describe what was trained, how it was timed and counted."""
    problem = ours.problem
    shape = "-".join(map(str, problem.sizes))
    return (
        f"{ours.members} members of {shape}, batch {problem.batch}, Adam; {len(problem.x):,} training rows and, after "
        f"each epoch, a validation pass over {len(problem.xv):,} ({problem.origin}); L2, dropout, max-norm, label "
        "smoothing and early stopping, with strengths and learning rates drawn per member. Every other trainer trains "
        f"the first {options.peer_members} members, one by one; scikit-learn has no dropout, max-norm and label "
        f"smoothing. Alternating rounds: {len(rates)}; epochs per timing: {options.epochs} for goodfit (a whole study) "
        f"and {options.peer_epochs} for the others, whose time per step does not depend on it. The patience of early "
        "stopping is so long that no run stops. All members of a round have the same seed. µs per member and step = "
        "wall time / steps of all members. For the others, building networks and compiling in Keras is not timed; for "
        "goodfit the whole call is. Two processes share the members of a trainer. Ratios are medians over the rounds. "
        f"A large matrix product ran at {statistics.median(rates) / 1e9:.0f} GFLOP/s."
    )


def table(many: Sequence[Row]) -> str:
    """One row per trainer: in one process, and in two."""
    ours = many[0]
    pairs = {row.name.removesuffix(", 2 processes"): row for row in many if row.processes == 2}
    single = [row for row in many if row.processes == 1]
    return grid(HEADS, [_cells(row, ours, pairs.get(row.name)) for row in single])


def _cells(row: Row, ours: Row, pair: Row | None) -> list[str]:
    two_processes = [_median(pair), f"{ratio(pair.micros, ours.micros):.1f}×"] if pair else ["–", "–"]
    return [
        row.name,
        str(row.members),
        _median(row),
        f"{micros(min(row.micros))}–{micros(max(row.micros))}",
        f"{ratio(row.micros, ours.micros):.1f}×",
        *two_processes,
        f"{row.record.accuracy:.4f}",
        f"{row.record.first:.3g}",
    ]


def _median(row: Row) -> str:
    return micros(statistics.median(row.micros))


def micros(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


def first_calls(ours: Row, epochs: int) -> str:
    """State the cost of compiling: the first call of this process compared with later ones."""
    warm = epochs * ours.record.median
    return (
        f"`fit_many`: the first call takes {ours.record.first:.3g} s, later calls with the same work {warm:.3g} s; "
        f"the difference of {ours.record.first - warm:.3g} s is the time of compiling. The first call of the other "
        "trainers is one epoch of all their members, including compiling in Keras."
    )


def large(both: Sequence[Row], steps: int) -> str:
    """The table for case study 1's network, where arithmetic takes most of the time."""
    problem = both[0].problem
    shape = "-".join(map(str, problem.sizes))
    cells = [[row.name, _median(row), f"{ratio(row.micros, both[1].micros):.2f}×"] for row in both]
    return (
        f"{both[0].members} members of {shape} (case study 1), batch {problem.batch}, {steps} steps ({problem.origin}):"
        f"\n\n{grid(('trainer', 'µs per member and step', 'relative to one by one'), cells)}"
    )


def targets(many: Sequence[Row], limit: Sequence[float], both: Sequence[Row]) -> str:
    """Compare with the targets; each trainer counts with the faster of one and two processes."""
    ours = many[0]
    bound = next(row for row in many if row.processes == 0)
    over, above = ratio(ours.micros, limit), ratio(ours.micros, bound.micros)
    large_ratio = ratio(both[0].micros, both[1].micros)
    lines = [
        _compared(many, "hand-written torch, Keras, scikit-learn", FASTEST, 10),
        *(_compared(many, name, (name,), 25) for name in SLOW),
        [f"goodfit / the arithmetic limit ({statistics.median(limit):.3g} µs)", f"{over:.2f}×", "≤ 3×", _met(over, 3)],
        [f"goodfit / the batched products alone ({_median(bound)} µs)", f"{above:.2f}×", "–", "–"],
        ["case study 1: population / one by one", f"{large_ratio:.2f}×", "≤ 1.10×", _met(large_ratio, 1.10)],
    ]
    return (
        "Arithmetic limit: 6 FLOP per weight and row at the rate of the large product. Batched products: only the "
        f"`torch.bmm` of all layers, forward and backward, for {bound.members} members.\n\n"
        + grid(("measure", "value", "target", ""), lines)
    )


def _compared(many: Sequence[Row], label: str, names: Sequence[str], times: int) -> list[str]:
    """The time of goodfit as a share 1/n of the fastest of some trainers."""
    ratios = {row.name: ratio(row.micros, many[0].micros) for row in many if row.name.startswith(tuple(names))}
    ratios = {name: value for name, value in ratios.items() if name.removesuffix(", 2 processes") in names}
    if not ratios:
        return [f"goodfit / {label}", "missing", f"≤ 1/{times}", "–"]
    fastest = min(ratios, key=lambda name: ratios[name])
    shown = f"goodfit / the fastest of {label}: {fastest}" if len(names) > 1 else f"goodfit / {fastest}"
    return [shown, f"1/{ratios[fastest]:.1f}", f"≤ 1/{times}", _met(times, ratios[fastest])]


def _met(value: float, limit: float) -> str:
    return "met" if value <= limit else "missed"
