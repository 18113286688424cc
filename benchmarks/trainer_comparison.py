"""The trainers that `solo.py` compares, and the comparison from data to Markdown."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import goodfit_trainers
import loops
import peers
import problems
import tables
import torch
from problems import Problem
from timing import Enter, Record, take_turns, warm_up

REFERENCE = "plain torch loop, fused Adam"
TRAINERS: dict[str, Enter] = {
    REFERENCE: loops.plain,
    "plain loop, oneDNN's product by hand": loops.onednn_by_hand,
    "plain loop, channels-last by hand": loops.channels_last_by_hand,
    "plain loop, L2 added to the loss": loops.l2_in_loss,
    "plain loop, DataLoader": loops.data_loader,
    "scikit-learn MLPClassifier": peers.scikit_learn,
    "skorch": peers.skorch,
    "Lightning": peers.lightning,
    "Keras, JAX": peers.keras_jax,
    "goodfit, empty recipe, torch's kernels": goodfit_trainers.usual_kernels,
    "goodfit, empty recipe": goodfit_trainers.empty_recipe,
    "goodfit, l2 + max_norm + early_stopping": goodfit_trainers.three_techniques,
}
OPTIONAL = {"plain loop, DataLoader"}
PERCEPTRONS_ONLY = {"scikit-learn MLPClassifier", "Keras, JAX", "plain loop, oneDNN's product by hand"}
IMAGES_ONLY = {"plain loop, channels-last by hand"}
PROBLEMS: dict[str, Callable[[Path], Problem]] = {
    "mnist": problems.mnist,
    "small": lambda path: problems.small(),
    "wide": problems.wide,
    "cnn": problems.cnn,
    "resnet": problems.resnet,
}


def compare(options: argparse.Namespace) -> str:
    """Machine, conditions and table as Markdown."""
    torch.set_num_threads(options.threads)
    problem = PROBLEMS[options.network](options.data or problems.MNIST)
    print(f"{problem.name}: {problem.origin}", flush=True)
    warn_if_busy()
    candidates = (warm_up(name, enter, problem) for name, enter in selected(options, problem).items())
    records = [record for record in candidates if record is not None]
    rates = take_turns(records, options.repeats, options.epochs)
    warn_if_inaccurate(records)
    lines = tables.machine(options.threads), tables.conditions(problem, rates, options.epochs)
    return "\n\n".join([*lines, tables.table(records, problem, rates, per_step=options.network == "small")])


def selected(options: argparse.Namespace, problem: Problem) -> dict[str, Enter]:
    """The reference, always first, and the trainers for such networks that `--only` and `--all` select."""
    unsuitable = IMAGES_ONLY if problem.is_perceptron else PERCEPTRONS_ONLY
    parts = options.only.lower().split(",") if options.only else None

    def is_selected(name: str) -> bool:
        if name == REFERENCE or name in unsuitable:
            return name == REFERENCE
        if parts is not None:
            return any(part.strip() in name.lower() for part in parts)
        return options.all or name not in OPTIONAL

    return {name: enter for name, enter in TRAINERS.items() if is_selected(name)}


def warn_if_busy() -> None:
    """Warn that other processes use the cores: they slow trainers by different factors, which ratios do not remove."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    if load > 0.3:
        print(f"WARNING the machine is busy (load {load:.1f}): times and ratios are unreliable", flush=True)


def warn_if_inaccurate(records: list[Record]) -> None:
    """Warn about trainers whose accuracy is far below the reference: they may be fast because they train badly."""
    for record in records:
        if record.accuracy < records[0].accuracy - 0.05:
            print(f"WARNING {record.name}: accuracy {record.accuracy:.4f} is far below that of the plain loop")
