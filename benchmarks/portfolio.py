"""Choose the portfolio of a study: complementary recipes that were best on other data sets.

    OMP_NUM_THREADS=1 python benchmarks/portfolio.py measure [--data ../shared/data] [--pool 120] [--workers 2]
    python benchmarks/portfolio.py pack                 # into benchmarks/results
    python benchmarks/portfolio.py choose [--write]     # src/goodfit/study/search/portfolio.yaml
    OMP_NUM_THREADS=1 python benchmarks/portfolio.py judge [--markdown docs/study.md]

`measure` trains a pool of random recipes on two folds of every data set (of images, texts and sounds: the recipes of
the pool that are most useful on the other sets), and writes one small JSON file per data set and part of the pool; a
run that was stopped goes on. `choose` adds recipes greedily. The value of a portfolio on a data set is the gain on one
fold of the recipe that was best on the other fold (or 0, if none was better than plain), so that a recipe counts that
can be recognized. `judge` chooses a portfolio without each data set in turn, picks the best of its recipes on the two
folds, and compares that with the plain network on other folds and on the test rows.
"""

from __future__ import annotations

import argparse
import contextlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cells
import numpy as np
import pandas as pd
import tables
import torch
import yaml
from scipy import stats

from goodfit.data import Dataset, Split, load, metric
from goodfit.data.kinds import kind
from goodfit.data.options import Images, Sounds, Texts
from goodfit.errors import InputError
from goodfit.progress import ManyProgress
from goodfit.recipe import Recipe
from goodfit.study import Protocol
from goodfit.study.candidates import PLAIN, Candidate
from goodfit.study.design import design
from goodfit.study.search import portfolio
from goodfit.study.search.defaults import AFTER, BEFORE, default_space
from goodfit.study.search.portfolio import candidate_of
from goodfit.study.search.space import Space
from goodfit.study.study import default_network, run_study, usual_training
from goodfit.train.config import Training
from goodfit.train.population.jobs import Networks, Planner, PreparedRecipe
from goodfit.train.population.scheduler import run_jobs
from goodfit.train.run import Run

ROWS, CHUNK, SIZE, SHORTLIST = 1000, 40, 12, 20
TABLES = ("credit-g", "vehicle", "kc1", "phoneme", "segment", "blood-transfusion", "adult", "satellite", "sonar",
          "spambase")  # fmt: skip
HEADER = "# Written by benchmarks/portfolio.py. Learning rate and epochs are multiples of the usual ones.\n"
Entry = dict[str, Any]


def sample(rows: int, limit: int, seed: int = 0) -> np.ndarray:
    """The positions of at most `limit` rows."""
    return np.sort(np.random.default_rng(seed).permutation(rows)[:limit])


def table(name: str) -> Callable[[Path], Dataset]:
    """A table with at most `ROWS` rows."""

    def read(folder: Path) -> Dataset:
        frame = pd.read_csv(folder / "tabular" / f"{name}.csv.gz")
        return load(frame.iloc[sample(len(frame), ROWS)].reset_index(drop=True), "class")

    return read


def mnist(folder: Path) -> Dataset:
    """500 digits."""
    with np.load(folder / "mnist.npz") as file:
        own = sample(len(file["y_train"]), 500)
        return load((file["x_train"][own], file["y_train"][own]), options=Images())


def messages(folder: Path) -> Dataset:
    """300 short messages."""
    frame = pd.read_csv(folder / "text" / "sms_spam.csv.gz")
    return load(frame.iloc[sample(len(frame), 300)].reset_index(drop=True), "label", Texts(column="text"))


def reviews(folder: Path) -> Dataset:
    """The first 60 words of 300 reviews."""
    frame = pd.read_csv(folder / "text" / "small_fine_foods.csv.gz")[["review", "score"]]
    frame["review"] = frame["review"].str.split().str[:60].str.join(" ")
    return load(frame.iloc[sample(len(frame), 300)].reset_index(drop=True), "score", Texts(column="review"))


def spoken(folder: Path) -> Dataset:
    """300 spoken digits."""
    with np.load(folder / "audio" / "fsdd.npz") as file:
        samples, lengths, labels = file["samples"], file["lengths"], file["label"]
    ends, own = np.cumsum(lengths), sample(len(lengths), 300)
    clips = np.zeros((len(own), 1, 4000), np.float32)
    for row, i in enumerate(own):
        clip = samples[ends[i] - lengths[i] : ends[i]][:4000]
        clips[row, 0, : len(clip)] = clip / 32768
    return load((clips, labels[own]), options=Sounds(rate=8000))


SETS: dict[str, Callable[[Path], Dataset]] = {
    **{name: table(name) for name in TABLES},
    "digits": lambda folder: load("digits"),
    "breast_cancer": lambda folder: load("breast_cancer"),
    "mnist, 500 digits": mnist,
    "sms_spam": messages,
    "fine foods": reviews,
    "spoken digits": spoken,
}
SLOW = ("mnist, 500 digits", "sms_spam", "fine foods", "spoken digits")
"""Data sets on which only the recipes that are most useful on the others are trained."""


def pool(count: int) -> list[Entry]:
    """Random recipes from the default ranges of all kinds of data; each data set uses the techniques that apply."""
    ranges = {**BEFORE}
    for name in ("image", "sound", "text"):
        ranges |= kind(name).ranges
    usual = Training(epochs=60)
    space = Space({**ranges, **AFTER, "learning_rate": (3e-4, 1e-2), "schedule": ["constant", "cosine"],
                   "epochs": (20, 60)})  # fmt: skip
    common = [axis.name in BEFORE or axis.name in AFTER or axis.owner in AFTER or not axis.owner for axis in space.axes]
    rng, entries = np.random.default_rng(0), list[Entry]()
    for _ in range(count):
        positions = rng.random(len(space.axes))
        for i, axis in enumerate(space.axes):  # about four common techniques, and one or two augmentations of a kind
            share = 0.3 if common[i] else 0.35
            if axis.off:
                on = rng.random() < share
                positions[i] = axis.off + rng.random() * (1 - axis.off) if on else 0.0
        candidate = space.candidate(list(positions), usual)
        settings = candidate.settings(usual)
        entries.append({
            "recipe": candidate.recipe.text(), "learning_rate": float(f"{settings.learning_rate / 1e-3:.2g}"),
            "epochs": float(f"{settings.epochs / 60:.2g}"), "schedule": settings.schedule,
        })  # fmt: skip
    return entries


# ---- measure -----------------------------------------------------------------------------------------


def measure(name: str, numbers: Sequence[int], entries: Sequence[Entry], data_folder: Path, out: Path) -> Path:
    """The scores of some recipes of the pool, and of the plain network, on two folds of a data set."""
    file = out / f"{name.replace(' ', '-').replace(',', '')}-{numbers[0]:03}-{len(numbers)}.json"
    if file.name in cells.read(out, "portfolio"):
        return file
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    data = SETS[name](data_folder)
    folds = design(Protocol(), data, search=True).screening[:2]
    split = folds[0].split()
    training = usual_training(split)
    space = default_space(split.spec, replace(training, metric="balanced_accuracy"))
    candidates = [Candidate(PLAIN, Recipe()), *(candidate_of(entries[i], training, space) for i in numbers)]
    names = ["plain", *map(str, numbers)]
    scores = [scores_on(data, fold.split(), fold.seed, candidates, training) for fold in folds]
    values = {name: [own[i] for own in scores] for i, name in enumerate(names)}
    return cells.write(file, {"set": name, "scores": values})


def scores_on(
    data: Dataset, split: Split, seed: int, candidates: Sequence[Candidate], usual: Training
) -> list[float]:  # fmt: skip
    """The balanced accuracy of each candidate on the validation rows; 0 if it does not fit or training failed."""
    networks, scored = Networks(default_network(data), fresh=True), metric("balanced_accuracy")
    planner, fitting = Planner(networks, None), dict[int, PreparedRecipe]()
    for number, candidate in enumerate(candidates):
        with contextlib.suppress(InputError):  # the recipe does not fit the network
            fitting[number] = planner(split, candidate.recipe, candidate.settings(usual))
    jobs = [recipe.job(i, seed, split) for i, recipe in enumerate(fitting.values())]
    values = [0.0] * len(candidates)
    bar = ManyProgress(len(jobs), 1, scored.name, scored.higher_is_better, show=False)
    for position, result in run_jobs(networks, jobs, None, bar):
        if isinstance(result, Run):
            values[list(fitting)[position]] = scored(result.outputs(split.validation.x), split.validation.y)
    return values


def gains(out: Path, recipes: int) -> tuple[list[str], np.ndarray]:
    """The data sets and the gains over plain: (sets, recipes, folds); -inf where a recipe was not trained."""
    results: dict[str, dict[str, list[float]]] = {}
    for cell in cells.read(out, "portfolio").values():
        results.setdefault(cell["set"], {}).update(cell["scores"])
    names = [name for name in SETS if name in results]
    matrix = np.full((len(names), recipes, 2), -np.inf)
    for row, name in enumerate(names):
        for number, scores in results[name].items():
            if number != "plain":
                matrix[row, int(number)] = np.subtract(scores, results[name]["plain"])
    return names, matrix


# ---- choose ------------------------------------------------------------------------------------------


def value(matrix: np.ndarray, chosen: Sequence[int]) -> float:
    """The mean over data sets of what the portfolio gains: chosen on one fold, measured on the other."""
    own = matrix[:, list(chosen)]
    total = 0.0
    for first, second in ((0, 1), (1, 0)):
        best = own[:, :, first].argmax(axis=1)
        rows = np.arange(len(own))
        total += float(np.where(own[rows, best, first] > 0, own[rows, best, second], 0.0).mean())
    return total / 2


def choose(matrix: np.ndarray, size: int = SIZE, improving: bool = True) -> list[int]:
    """Recipes that are added greedily; `improving`: as long as the value rises."""
    chosen: list[int] = []
    while len(chosen) < size:
        left = [i for i in range(matrix.shape[1]) if i not in chosen]
        best = max(left, key=lambda i: (value(matrix, [*chosen, i]), np.maximum(matrix[:, i], -1.0).mean()))
        if improving and chosen and value(matrix, [*chosen, best]) <= value(matrix, chosen):
            break
        chosen.append(best)
    return chosen


def write(entries: Sequence[Entry]) -> Path:
    """Write the file of the portfolio."""
    file = Path(portfolio.__file__).with_name(portfolio.FILE)
    file.write_text(HEADER + yaml.safe_dump(list(entries), sort_keys=False, width=120), encoding="utf-8")
    return file


# ---- judge -------------------------------------------------------------------------------------------


Gains = tuple[str, float, list[tuple[float, float, float]]]
"""A recipe, its gain when it was chosen, and its gains on other folds and on test rows with their intervals."""


def judge(name: str, names: Sequence[str], matrix: np.ndarray, entries: Sequence[Entry], folder: Path) -> Gains:
    """What the portfolio without a data set gains on it."""
    row = names.index(name)
    others = np.delete(matrix, row, axis=0)
    chosen = choose(others)
    own = matrix[row, chosen].mean(axis=1)
    picked = chosen[int(own.argmax())] if own.max() > 0 else None
    if picked is None:
        return PLAIN, 0.0, [(0.0, 0.0, 0.0)] * 2
    torch.set_num_threads(1)
    data = SETS[name](folder)
    split = design(Protocol(), data).first_split
    training = replace(usual_training(split), metric="balanced_accuracy")
    candidate = candidate_of(entries[picked], training, default_space(split.spec, training))
    study = run_study(data, None, [candidate], training, protocol=Protocol(repeats=1), progress=False)
    differences = [study.difference(study.labels[1], part=part) for part in ("validation", "test")]
    return candidate.recipe.text(), float(own.max()), [(d.mean, d.low, d.high) for d in differences]


def judged(names: Sequence[str], gains: Sequence[Gains]) -> str:
    """The table of gains in points, with their mean over the data sets."""
    rows = [("data set", "chosen recipe", "gain when chosen", "on other folds", "on test rows")]
    for name, (recipe, chosen, own) in zip(names, gains, strict=True):
        rows.append((name, recipe, f"{100 * chosen:+.1f}", *map(points, own)))
    means = []
    for part in range(2):
        values = np.array([own[part][0] for _, _, own in gains])
        half = stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
        means.append((values.mean(), values.mean() - half, values.mean() + half))
    return cells.markdown([*rows, ("mean", "", f"{100 * np.mean([g[1] for g in gains]):+.1f}", *map(points, means))])


def points(gain: tuple[float, float, float]) -> str:
    """A gain with its interval, in points."""
    mean, low, high = (100 * value for value in gain)
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]" if (mean, low, high) != (0, 0, 0) else "0"


def run_cells(options: argparse.Namespace, entries: Sequence[Entry], names: Sequence[str], pool: Sequence[int]) -> None:
    """Measure recipes of the pool on data sets, in chunks."""
    size = CHUNK if set(names).isdisjoint(SLOW) else CHUNK // 4
    todo = [(name, pool[i : i + size], entries) for name in names for i in range(0, len(pool), size)]
    cells.run(measure, [(*cell, options.data, options.out) for cell in todo], options.workers)


def main() -> None:
    """Measure, choose or judge."""
    parser = argparse.ArgumentParser(description="Choose the portfolio of a study.")
    parser.add_argument("what", choices=("measure", "pack", "choose", "judge"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("out/portfolio"))
    parser.add_argument("--pool", type=int, default=120)
    parser.add_argument("--sets", nargs="*", default=list(SETS))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--write", action="store_true", help="write the portfolio into the package")
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    entries = pool(options.pool)
    if options.what == "measure":
        run_cells(options, entries, [name for name in options.sets if name not in SLOW], range(len(entries)))
        measured, matrix = gains(options.out, len(entries))
        quick = matrix[[name not in SLOW for name in measured]]
        shortlist = choose(quick, SHORTLIST, improving=False)
        run_cells(options, entries, [name for name in options.sets if name in SLOW], sorted(shortlist))
        return
    if options.what == "pack":
        print(cells.pack(options.out, "portfolio"))
        return
    names, matrix = gains(options.out, len(entries))
    chosen = choose(matrix)
    if options.what == "choose":
        for n in range(1, len(chosen) + 1):
            print(f"{n:2} {value(matrix, chosen[:n]):+.4f} {entries[chosen[n - 1]]}")
        if options.write:
            print(write([entries[i] for i in chosen]))
        return
    text = judged(names, [judge(name, names, matrix, entries, options.data) for name in names])
    print(text)
    if options.markdown:
        tables.write(options.markdown, "gain", text, kind="portfolio")


if __name__ == "__main__":
    main()
