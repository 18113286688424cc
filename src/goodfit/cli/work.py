"""The work of the commands study, fit, augment, diagnose and techniques, after their arguments are parsed."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

import goodfit as gf
from goodfit.cli import show
from goodfit.cli.termination import INTERRUPTED
from goodfit.errors import InputError
from goodfit.models import build
from goodfit.registry import all_techniques, find
from goodfit.store import check_output_folder, check_writable, load_run, save_run
from goodfit.study import Protocol
from goodfit.study.design import design
from goodfit.study.files import StudyFolder
from goodfit.study.save import BEST_FOLDER, PLAIN_FOLDER, save_results
from goodfit.study.search.budget import Budget
from goodfit.study.search.space import Space
from goodfit.study.study import default_network, usual_training
from goodfit.train.checkpoint import Checkpoints
from goodfit.train.config import Training
from goodfit.train.population.workers import using_threads

if TYPE_CHECKING:
    from goodfit.data.options import Options

OUT = ("--out", "--force")
"""The options that name the output folder and overwrite it, for error messages."""
SMALL = 50_000_000
"""Multiplications of the largest layer and batch below which one thread is as fast as several."""


@dataclass(frozen=True)
class DataSource:
    """The data of a command, with the options of `load`."""

    data: str
    target: str | None
    groups: str | None
    time: str | None
    task: Any
    options: Sequence[Options]
    cache: Path | None

    def load(self) -> gf.Dataset:
        """Load the data set."""
        return gf.load(
            self.data, self.target, self.options, groups=self.groups, time=self.time, task=self.task, cache=self.cache
        )


@dataclass(frozen=True)
class Comparison:
    """What a study compares."""

    recipes: Sequence[str]
    protocol: Mapping[str, Any]
    catalogue: bool
    population: bool | None
    storage: str | None
    budget: str | None = None
    space: Path | None = None
    sampler: str = "tpe"


@dataclass(frozen=True)
class Output:
    """Where results go, and the command that reproduces them."""

    folder: Path | None
    force: bool
    command: str
    every: int = 0
    resume: bool = False

    @property
    def reproduce(self) -> tuple[tuple[str, str], ...]:
        """The section of the report on how to reproduce the results: captions and commands."""
        return (("The command", self.command), ("The version", f"pip install goodfit=={gf.__version__}"))


def _threads(number: int, default: int = 0) -> contextlib.AbstractContextManager[None]:
    """Use `number` threads in torch; if that is 0, `default` threads; if both are 0, leave torch's number."""
    return using_threads(number or default or torch.get_num_threads())


def _default_threads(network: nn.Module, training: Training) -> int:
    """Return 1 for a network that is too small to profit from more threads, or else 0 (no preference)."""
    return int(training.batch_size * max(p.numel() for p in network.parameters()) < SMALL)


def _built(name: str, split: gf.Split) -> nn.Module:
    return build(name, split.spec.input_shape, split.spec.n_outputs, 0, split.spec.inputs.vocabulary)


def _training(split: gf.Split, options: Mapping[str, Any]) -> Training:
    """Return the default training settings for the data, with the options of the command that are not None."""
    changes = {name: value for name, value in options.items() if value is not None}
    if changes.get("metric", "auto") != "auto":
        from goodfit.data import metric

        metric(changes["metric"])  # raises an error for an unknown metric before any work
    return Training.of(usual_training(split).values() | changes)


def run_study(
    source: DataSource,
    model: str | None,
    comparison: Comparison,
    options: Mapping[str, Any],
    output: Output,
    threads: int,
) -> int:
    """Run a study, print and save it, and return the exit code.

    Raises:
        InputError: `--catalogue` with recipes, or the folder holds another study.
    """
    recipes = [gf.Recipe.load(text) for text in comparison.recipes]
    space = Space.load(comparison.space) if comparison.space is not None else None
    if comparison.budget is not None:
        Budget.of(comparison.budget)  # raises an error before any work
    if recipes and comparison.catalogue:
        raise InputError(
            f"study: --catalogue compares all techniques and must be used without --recipe, got {len(recipes)} of "
            "them; leave out --recipe or --catalogue."
        )
    if output.folder is not None:
        check_writable(output.folder / "study.json", "--out")
    data = source.load()
    folder = output.folder or Path(f"goodfit-{data.name}")
    protocol = Protocol.of({name: value for name, value in comparison.protocol.items() if value is not None})
    searches = not comparison.catalogue and (not recipes or comparison.budget is not None or space is not None)
    split, network = design(protocol, data, searches).folds[0].split(), model or default_network(data)
    training = _training(split, options)
    show.dataset(data)
    show.network(network, _built(network, split), training)
    with _threads(threads):  # fits in parallel processes use one thread each
        study = gf.run_study(
            data, network, recipes, training, protocol=protocol, catalogue=comparison.catalogue,
            population=comparison.population, folder=folder, storage=comparison.storage, force=output.force,
            budget=comparison.budget, space=space, sampler=comparison.sampler,
        )  # fmt: skip
    if study.best() is None:
        show.nothing_compared(study)
        return INTERRUPTED if study.interrupted else 1
    show.study(study)  # before files are written: that may fail
    with StudyFolder(folder).writing_results():
        save_results(study, folder)
        report = gf.write_report(study, folder / "report.html", output.reproduce, split)
    show.output_files(folder, report)
    return INTERRUPTED if study.interrupted else 0


def run_fit(
    source: DataSource,
    model: str | None,
    recipe: str,
    seed: int,
    options: Mapping[str, Any],
    output: Output,
    threads: int,
) -> int:
    """Train a network, print and save the run, and return the exit code.

    Raises:
        InputError: `--resume` or `--every` without a folder for the run, or the folder holds earlier results.
    """
    techniques = gf.Recipe.load(recipe)
    checkpoints = _checkpoints(output)
    data = source.load()
    split, network = data.split(seed), model or default_network(data)
    training, built = _training(split, options), _built(network, split)
    show.dataset(data)
    show.network(network, built, training)
    with _threads(threads, _default_threads(built, training)):
        run = gf.fit(network, split, techniques, training, seed=seed, checkpoints=checkpoints)
    show.run(run)
    if output.folder is not None:
        save_run(run, output.folder, force=True)
        report = gf.write_report(run, output.folder / "report.html", output.reproduce, split)
        show.output_files(output.folder, report)
    return INTERRUPTED if run.interrupted else 0


def _checkpoints(output: Output) -> Checkpoints | None:
    """Return the checkpoints of a fit, or None without a folder.

    Raises:
        InputError: `--resume` or `--every` without a folder for the run, or the folder holds earlier results.
    """
    if output.folder is not None:
        check_output_folder(output.folder, output.force or output.resume, *OUT)
        return Checkpoints(output.folder / "checkpoints", output.every, output.resume, output.force)
    if output.resume or output.every:
        raise InputError(
            f"fit: --resume and --every need the folder of the run, got resume={output.resume}, every={output.every} "
            "without --out; add --out DIR."
        )
    return None


def show_variants(
    source: DataSource, recipe: str, count: int, samples: int, seed: int, folder: Path | None, force: bool
) -> None:
    """Write a page of samples with augmented variants."""
    from goodfit.report import write_variants

    techniques = gf.Recipe.load(recipe)
    if folder is not None:
        check_output_folder(folder, force, *OUT)
    data = source.load()
    folder = check_output_folder(folder or Path(f"goodfit-augment-{data.name}"), force, *OUT)
    show.dataset(data)
    page = write_variants(data.split(seed), techniques, folder / "augment.html", count, samples, seed)
    show.output_files(folder, page)


def show_diagnosis(folder: Path) -> None:
    """Print the verdict on a run, or on the plain and the best run of a study."""
    titles = {PLAIN_FOLDER: "the plain network", BEST_FOLDER: "the best recipe"}
    runs = [(folder / name, title) for name, title in titles.items()]
    runs_of_study = [(path, title) for path, title in runs if (path / "run.json").exists()]
    for path, title in runs_of_study or [(folder, "the run")]:
        run = load_run(path)
        show.verdict(gf.diagnose(run), f"{title} ({run.recipe})")


def show_techniques(name: str | None) -> None:
    """Print the catalogue, or the page of one technique."""
    from goodfit import pages

    show.renderable(pages.terminal(find(name)) if name else pages.catalogue_table(all_techniques().values()))
