"""Who takes part in `solo.py`, and the run from the data to the text."""

import argparse
import os

import loops
import ours
import peers
import problems
import tables
import torch
from timing import Enter, Record, take_turns, warm_up

REFERENCE = "plain torch loop, fused Adam"
TRAINERS: dict[str, Enter] = {
    REFERENCE: loops.plain,
    "plain loop, L2 added to the loss": loops.l2_by_hand,
    "plain loop, DataLoader": loops.data_loader,
    "scikit-learn MLPClassifier": peers.scikit_learn,
    "skorch": peers.skorch,
    "Lightning": peers.lightning,
    "Keras, JAX": peers.keras_jax,
    "goodfit, nothing on": ours.nothing_on,
    "goodfit, l2 + max_norm + early_stopping": ours.three_on,
}
OPTIONAL = {"plain loop, DataLoader"}


def compare(given: argparse.Namespace) -> str:
    """Machine, conditions and table as Markdown."""
    torch.set_num_threads(given.threads)
    problem = problems.small() if given.network == "small" else problems.mnist(given.data or problems.MNIST)
    print(f"{problem.name}: {problem.origin}", flush=True)
    warn_of_neighbours()
    entered = (warm_up(name, enter, problem) for name, enter in chosen(given).items())
    records = [record for record in entered if record is not None]
    rates = take_turns(records, given.repeats, given.epochs)
    warn_of_idlers(records)
    lines = tables.machine(given.threads), tables.conditions(problem, rates, given.epochs)
    return "\n\n".join([*lines, tables.table(records, problem, rates, per_step=given.network == "small")])


def chosen(given: argparse.Namespace) -> dict[str, Enter]:
    """The reference, always first, and whoever was asked for."""
    wanted = given.only.lower().split(",") if given.only else None

    def takes_part(name: str) -> bool:
        if name == REFERENCE:
            return True
        if wanted is not None:
            return any(part.strip() in name.lower() for part in wanted)
        return given.all or name not in OPTIONAL

    return {name: enter for name, enter in TRAINERS.items() if takes_part(name)}


def warn_of_neighbours() -> None:
    """Busy cores slow trainers by very different factors, which no ratio takes out again."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > 0.3:
        print(f"WARNING the machine is busy (load {load:.1f}): neither times nor ratios will mean much", flush=True)


def warn_of_idlers(records: list[Record]) -> None:
    """Nobody is fast by not training: say who ends far below the reference."""
    for record in records:
        if record.accuracy < records[0].accuracy - 0.05:
            print(f"WARNING {record.name}: accuracy {record.accuracy:.4f} is far below the plain loop's")
