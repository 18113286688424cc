"""The work of each command, after its arguments are parsed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import goodfit as gf
from goodfit.cli import show
from goodfit.data.kinds import kind
from goodfit.errors import InputError
from goodfit.models import build
from goodfit.registry import all_techniques, find
from goodfit.serialization import write_bytes
from goodfit.store import check_output_folder, check_writable, load_run, save_run
from goodfit.study.save import BEST_FOLDER, PLAIN_FOLDER, save_runs, save_study
from goodfit.study.study import default_training
from goodfit.train.checkpoint import Checkpoints
from goodfit.train.config import Training

if TYPE_CHECKING:
    import pandas as pd

    from goodfit.data.options import Options
    from goodfit.data.reading.predict_input import PredictInput

INTERRUPTED = 130
"""Exit code of a program that Ctrl-C ended."""
OUT = ("--out", "--force")
"""The options that name the output folder and overwrite it, for error messages."""
SMALL = 50_000_000
"""Multiplications of the largest layer and batch below which one thread is as fast as several."""
CHUNK = 256
"""Rows that are preprocessed and predicted at a time, to limit memory."""


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
    seeds: int
    catalogue: bool
    population: bool | None


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


@contextlib.contextmanager
def _threads(number: int, default: int = 0) -> Iterator[None]:
    """Use `number` threads in torch; if that is 0, `default` threads; if both are 0, leave torch's number."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or default or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _default_threads(network: str, split: gf.Split, training: Training) -> int:
    """Return 1 for a network that is too small to profit from more threads, or else 0 (no preference)."""
    model = build(network, split.spec.input_shape, split.spec.n_outputs, 0, split.spec.inputs.vocabulary)
    return int(training.batch_size * max(p.numel() for p in model.parameters()) < SMALL)


def _default_network(data: gf.Dataset) -> str:
    return kind(data.kind).default_network(data.task)


def _training(split: gf.Split, options: Mapping[str, Any]) -> Training:
    """Return the default training settings for the data, with the options of the command that are not None."""
    changes = {name: value for name, value in options.items() if value is not None}
    if changes.get("metric", "auto") != "auto":
        from goodfit.data import metric

        metric(changes["metric"])  # raises an error for an unknown metric before any work
    return Training.of(default_training(len(split.train), split.spec.task).values() | changes)


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
        InputError: `--catalogue` with recipes, or the folder holds earlier results.
    """
    recipes = [gf.Recipe.load(text) for text in comparison.recipes]
    if recipes and comparison.catalogue:
        raise InputError(
            f"study: --catalogue compares all techniques and must be used without --recipe, got {len(recipes)} of "
            "them; leave out --recipe or --catalogue."
        )
    if output.folder is not None:
        check_output_folder(output.folder, output.force, *OUT)
    data = source.load()
    folder = check_output_folder(output.folder or Path(f"goodfit-{data.name}"), output.force, *OUT)
    split = data.split(0)
    training = _training(split, options)
    show.dataset(data)
    with _threads(threads):  # runs in parallel processes use one thread each
        study = gf.run_study(
            data, model or _default_network(data), recipes, training, seeds=comparison.seeds,
            catalogue=comparison.catalogue, population=comparison.population,
            on_trial=lambda unfinished: save_runs(unfinished, folder),
        )  # fmt: skip
    if study.best() is None:
        show.message("No run was finished; there is nothing to compare.")
        return INTERRUPTED if study.interrupted else 1
    save_study(study, folder)
    report = gf.write_report(study, folder / "report.html", output.reproduce, split)
    show.study(study, folder, report)
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
    split, network = data.split(seed), model or _default_network(data)
    training = _training(split, options)
    with _threads(threads, _default_threads(network, split, training)):
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


def show_explanation(
    folder: Path | None, recipe: str | None, model: str | None, inputs: int | None, outputs: int | None
) -> None:
    """Print which technique acts where, for a run or for a recipe on a reference network.

    Args:
        folder: the folder of a run.
        recipe: the recipe; that of the run if None.
        model: the reference network, only without a folder; None: mlp.
        inputs: its number of inputs; None: 20.
        outputs: its number of outputs; None: 2.

    Raises:
        InputError: neither the folder of a run nor a recipe is given, the run contradicts another option, or its
            network is not a reference network.
    """
    if folder is None and recipe is None:
        raise InputError('explain: it needs a recipe or the folder of a run, got neither; add --recipe "…" or DIR.')
    techniques = gf.Recipe.load(recipe) if recipe is not None else gf.Recipe()
    if folder is None:
        network = build(model or "mlp", (inputs or 20,), outputs or 2, 0, 0)
    else:
        _refuse_network_options({"--model": model, "--inputs": inputs, "--outputs": outputs}, folder)
        run = _load_reference_run(folder)
        techniques = techniques if recipe is not None else run.recipe
        network = build(run.network, run.spec.input_shape, run.spec.n_outputs, 0, run.spec.inputs.vocabulary)
    show.explanation(gf.explain(network, techniques), techniques, techniques.lint(network))


def _refuse_network_options(options: Mapping[str, str | int | None], folder: Path) -> None:
    chosen = [f"{name} {value}" for name, value in options.items() if value is not None]
    if chosen:
        raise InputError(
            f"explain: the network must be that of the run in '{folder}', got {' and '.join(chosen)}; leave out these "
            "options or the folder."
        )


def _load_reference_run(folder: Path) -> gf.Run:
    """Load the run of a reference network.

    Raises:
        InputError: there is no run, or it has a network of the user's own.
    """
    try:
        return load_run(folder)
    except InputError as error:
        if "your own network" not in str(error):
            raise
        raise InputError(
            f"explain: the run must have a reference network, got '{folder}' with a network of your own; call "
            "goodfit.explain(network, recipe) in Python."
        ) from error


def show_techniques(name: str | None) -> None:
    """Print the catalogue, or the page of one technique."""
    from goodfit import pages

    show.renderable(pages.terminal(find(name)) if name else pages.catalogue_table(all_techniques().values()))


def run_predict(folder: Path, data: str, out: Path | None, force: bool, damaged: str = "refuse") -> None:
    """Predict new rows or files with a saved run, and print or write the predictions.

    Raises:
        InputError: `out` exists or cannot be written, the run has no preprocessing, or it predicts masks and `out` is
            missing.
    """
    from goodfit.data.reading.predict_input import read_predict_input

    run = load_run(folder)
    if out is not None and out.exists() and not force:
        raise InputError(f"--out: '{out}' exists; choose another file or overwrite with --force.")
    if out is not None:
        check_writable(out, OUT[0])
    if run.preprocessing is None:
        raise InputError(f"predict: '{folder}' was trained on tensors and has no preprocessing; predict in Python.")
    masks = run.spec.task == "segmentation"
    if masks and out is None:
        raise InputError(f"predict: '{folder}' predicts masks, which are image files; give --out with a folder.")
    samples = read_predict_input(data, run.preprocessing, damaged)
    if masks and out is not None:
        show.message(f"{write_masks(run, samples, out)} masks in {out}")
        return
    frame = predict_frame(run, samples.x)
    if samples.names:
        frame.insert(0, "file", samples.names, allow_duplicates=True)
    if out is None:
        show.raw(frame.to_csv(index=False))
    else:
        write_bytes(out, frame.to_csv(index=False).encode())
        show.message(f"{len(frame)} predictions in {out}")


def write_masks(run: gf.Run, samples: PredictInput, folder: Path) -> int:
    """Write the predicted mask of every image as a PNG file with the name of the image; return the number of masks."""
    from goodfit.data.reading.masks import encode

    assert run.preprocessing is not None
    names = [Path(name).with_suffix("").as_posix() for name in samples.names]
    names = names if len(set(names)) == len(names) else [*samples.names]  # a.png and a.jpg
    for start in range(0, len(samples.x), CHUNK):
        x = torch.from_numpy(run.preprocessing.transform(samples.x[start : start + CHUNK]))
        for number, mask in enumerate(run.predict(x), start):
            file = folder / f"{names[number] if names else f'row-{number}'}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(file, encode(mask, run.spec.classes))
    return len(samples.x)


def predict_frame(run: gf.Run, x: Any) -> pd.DataFrame:
    """Predict raw rows: a column named after the target and, for classification, the probability of every class."""
    import pandas as pd

    assert run.preprocessing is not None
    frames = []
    for start in range(0, max(1, len(x)), CHUNK):
        chunk = x.iloc[start : start + CHUNK] if isinstance(x, pd.DataFrame) else x[start : start + CHUNK]
        rows = torch.from_numpy(run.preprocessing.transform(chunk))
        if run.spec.task == "classification":
            probabilities = run.probabilities(rows)
            classes = [run.spec.classes[i] for i in probabilities.argmax(1)]
            frame = pd.DataFrame({run.spec.target: classes})
            frame = frame.assign(**{f"p_{name}": probabilities[:, i] for i, name in enumerate(run.spec.classes)})
        else:
            frame = pd.DataFrame({run.spec.target: run.predict(rows)})
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)
