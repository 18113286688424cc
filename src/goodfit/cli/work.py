"""What the commands do, once their arguments are read."""

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
from goodfit.study.save import save_runs, save_study
from goodfit.study.study import default_training
from goodfit.train.checkpoint import Checkpoints
from goodfit.train.config import Training

if TYPE_CHECKING:
    import pandas as pd

    from goodfit.data.options import Options
    from goodfit.data.reading.predict_input import PredictInput

INTERRUPTED = 130
"""The exit code of a program that Ctrl-C ended."""


@dataclass(frozen=True)
class Source:
    """The data of a command."""

    data: str
    target: str | None
    groups: str | None
    time: str | None
    task: Any
    options: Sequence[Options]
    cache: Path | None

    def load(self) -> gf.Dataset:
        """Load and check it."""
        return gf.load(
            self.data, self.target, self.options, groups=self.groups, time=self.time, task=self.task, cache=self.cache
        )


@dataclass(frozen=True)
class Out:
    """Where results go, and the command that made them."""

    folder: Path | None
    force: bool
    command: str
    every: int = 0
    resume: bool = False

    @property
    def reproduce(self) -> tuple[tuple[str, str], ...]:
        """What the report says on how to get the same."""
        return (("The command", self.command), ("The version", f"pip install goodfit=={gf.__version__}"))


LARGE = 50_000_000
"""Multiplications in the largest layer and batch from which more threads pay, even where cores are busy."""


@contextlib.contextmanager
def _threads(number: int, least: int = 0) -> Iterator[None]:
    """Set torch's threads for a while: `number`, or where it is 0, `least`, or as many as there were."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or least or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _least(model: str, split: gf.Split, training: Training) -> int:
    """1 for a network that is too small for more threads, else 0."""
    network = build(model, split.spec.input_shape, split.spec.n_outputs, 0, split.spec.inputs.vocabulary)
    return int(training.batch_size * max(p.numel() for p in network.parameters()) < LARGE)


def _default_network(data: gf.Dataset) -> str:
    return kind(data.kind).default_network(data.task)


def _training(split: gf.Split, training: Mapping[str, Any]) -> Training:
    given = {name: value for name, value in training.items() if value is not None}
    if given.get("metric", "auto") != "auto":
        from goodfit.data import metric

        metric(given["metric"])  # a misspelt name ends here, before any work
    return Training.of(default_training(len(split.train), split.spec.task).values() | given)


def run_study(
    source: Source,
    model: str | None,
    recipes: list[str],
    seeds: int,
    catalogue: bool,
    population: bool | None,
    options: Mapping[str, Any],
    out: Out,
    threads: int,
) -> int:
    """Study, print, save; the exit code."""
    chosen = [gf.Recipe.load(text) for text in recipes]
    data = source.load()
    folder = check_output_folder(out.folder or Path(f"goodfit-{data.name}"), out.force)
    split = data.split(0)
    training = _training(split, options)
    show.data(data)
    with _threads(threads):  # of runs side by side, each takes one
        answer = gf.run_study(
            data, model or _default_network(data), chosen, training, seeds=seeds, catalogue=catalogue,
            population=population, on_trial=lambda s: save_runs(s, folder),
        )  # fmt: skip
    if answer.best() is None:
        show.line("no run was finished; nothing to compare")
        return INTERRUPTED if answer.interrupted else 1
    save_study(answer, folder)
    path = gf.write_report(answer, folder / "report.html", out.reproduce, split)
    show.study(answer, folder, path)
    return INTERRUPTED if answer.interrupted else 0


def run_fit(
    source: Source, model: str | None, recipe: str, seed: int, options: Mapping[str, Any], out: Out, threads: int
) -> int:
    """Fit, print, save; the exit code."""
    chosen = gf.Recipe.load(recipe)
    data = source.load()
    checkpoints = None
    if out.folder is not None:
        check_output_folder(out.folder, out.force or out.resume)
        checkpoints = Checkpoints(out.folder / "checkpoints", out.every, out.resume, out.force)
    elif out.resume or out.every:
        raise InputError("fit: --resume and --every need the folder of the run; add --out DIR.")
    split, network = data.split(seed), model or _default_network(data)
    training = _training(split, options)
    with _threads(threads, _least(network, split, training)):
        run = gf.fit(network, split, chosen, training, seed=seed, checkpoints=checkpoints)
    show.run(run)
    if out.folder is not None:
        save_run(run, out.folder, force=True)
        show.written(out.folder, gf.write_report(run, out.folder / "report.html", out.reproduce, split))
    return INTERRUPTED if run.interrupted else 0


def show_variants(
    source: Source, recipe: str, count: int, samples: int, seed: int, folder: Path | None, force: bool
) -> None:
    """Write a page of samples and their variants."""
    from goodfit.report import write_variants

    chosen, data = gf.Recipe.load(recipe), source.load()
    folder = check_output_folder(folder or Path(f"goodfit-augment-{data.name}"), force)
    show.data(data)
    split = data.split(seed)
    show.written(folder, write_variants(split, chosen, folder / "augment.html", count, samples, seed))


def show_diagnosis(folder: Path) -> None:
    """The verdict on a run, or on the plain and the best run of a study."""
    found = [(folder / name, title) for name, title in (("plain", "the plain network"), ("best", "the best recipe"))]
    of_study = [(path, title) for path, title in found if (path / "run.json").exists()]
    for path, title in of_study or [(folder, "the run")]:
        run = load_run(path)
        show.verdict(gf.diagnose(run), f"{title} ({run.recipe})")


def show_explanation(folder: Path | None, recipe: str | None, model: str, inputs: int, outputs: int) -> None:
    """Which technique acts where."""
    if folder is None and recipe is None:
        raise InputError('explain: give the folder of a run or --recipe "…".')
    shape: tuple[int, ...] = (inputs,)
    words = 0
    chosen = gf.Recipe.load(recipe) if recipe is not None else gf.Recipe()
    if folder is not None:
        run = load_run(folder)
        model, shape, outputs = run.network, run.spec.input_shape, run.spec.n_outputs
        words = run.spec.inputs.vocabulary
        chosen = chosen if recipe is not None else run.recipe
    network = build(model, shape, outputs, 0, words)
    show.explanation(gf.explain(network, chosen), chosen, chosen.lint(network))


def show_techniques(name: str | None) -> None:
    """The catalogue, or one page of it."""
    from goodfit import pages

    show.page(pages.terminal(find(name)) if name else pages.catalogue_table(all_techniques().values()))


PIECE = 256
"""Rows that are preprocessed and predicted at once, so that inputs never exist as a whole."""


def run_predict(folder: Path, data: str, out: Path | None, force: bool, damaged: str = "refuse") -> None:
    """Predict the rows of a file, or files."""
    from goodfit.data.reading.predict_input import read_predict_input

    run = load_run(folder)
    if out is not None and out.exists() and not force:
        raise InputError(f"--out: '{out}' exists; choose another file or overwrite with --force.")
    if out is not None:
        check_writable(out)
    if run.preprocessing is None:
        raise InputError(f"predict: '{folder}' was trained on tensors and has no preprocessing; predict in Python.")
    masks = run.spec.task == "segmentation"
    if masks and out is None:
        raise InputError(f"predict: '{folder}' names masks, which are pictures; give --out with a folder for them.")
    given = read_predict_input(data, run.preprocessing, damaged)
    if masks and out is not None:
        count = write_masks(run, given, out)
        show.line(f"{count} masks in {out}")
        return
    frame = predicted(run, given.x)
    if given.names:
        frame.insert(0, "file", given.names, allow_duplicates=True)
    text = frame.to_csv(index=False)
    if out is None:
        show.plain(text)
    else:
        write_bytes(out, text.encode())
        show.line(f"{len(frame)} predictions in {out}")


def write_masks(run: gf.Run, given: PredictInput, folder: Path) -> int:
    """Write a PNG file for each mask that a network names, under the names of the images; how many there are."""
    from goodfit.data.reading.masks import encode

    assert run.preprocessing is not None
    names = [Path(name).with_suffix("").as_posix() for name in given.names]
    names = names if len(set(names)) == len(names) else [*given.names]  # a.png and a.jpg
    for start in range(0, len(given.x), PIECE):
        rows = torch.from_numpy(run.preprocessing.transform(given.x[start : start + PIECE]))
        for number, mask in enumerate(run.predict(rows), start):
            file = folder / f"{names[number] if names else f'row-{number}'}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(file, encode(mask, run.spec.classes))
    return len(given.x)


def predicted(run: gf.Run, x: Any) -> pd.DataFrame:
    """Predictions for raw rows: a column with the target's name, and for classes one with the probability of each."""
    import pandas as pd

    assert run.preprocessing is not None
    table, made = isinstance(x, pd.DataFrame), []
    for start in range(0, max(1, len(x)), PIECE):
        some = x.iloc[start : start + PIECE] if table else x[start : start + PIECE]
        rows = torch.from_numpy(run.preprocessing.transform(some))
        frame = pd.DataFrame({run.spec.target: run.predict(rows)})
        if run.spec.task == "classification":
            chances = run.probabilities(rows)
            frame = frame.assign(**{f"p_{name}": chances[:, i] for i, name in enumerate(run.spec.classes)})
        made.append(frame)
    return pd.concat(made, ignore_index=True)
