"""Compare the samplers of a search on real tables: what they gain on new rows, against the number of trials.

    OMP_NUM_THREADS=1 python benchmarks/samplers.py run [--data ../shared/data] [--repetitions 5] [--workers 2]
    python benchmarks/samplers.py pack     # into benchmarks/results
    python benchmarks/samplers.py table [--markdown docs/study.md]

Each study has 600 rows of a table, drawn for each repetition, and up to 4,000 other rows as its test part. It is
extended from 60 to 120 and 240 trials. The gain is that of the recipe with the largest confirmed gain, measured on the
test rows (balanced accuracy). One small JSON file per study is written; a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
import time
import warnings
from pathlib import Path
from statistics import fmean, stdev

import cells
import numpy as np
import pandas as pd
import tables
import torch

from goodfit.data import Dataset, load
from goodfit.study import Protocol
from goodfit.study.search.plan import SearchPlan
from goodfit.study.search.samplers import SAMPLERS
from goodfit.study.study import run_study
from goodfit.train.config import Training

SETS = ("credit-g", "kc1", "phoneme", "segment", "satellite", "spambase", "adult")
ROWS, NEW_ROWS, BUDGETS = 600, 4000, (60, 120, 240)
TRAINING = Training(epochs=20, batch_size=64, learning_rate=3e-3)


def read(name: str, repetition: int, folder: Path) -> Dataset:
    """Some rows of a table, and others as the test part."""
    frame = pd.read_csv(folder / "tabular" / f"{name}.csv.gz")
    order = np.random.default_rng(repetition).permutation(len(frame))
    data = load(frame.iloc[order[:ROWS]].reset_index(drop=True), "class")
    others = frame.iloc[order[ROWS : ROWS + NEW_ROWS]].reset_index(drop=True)
    codes = pd.Categorical(others["class"].astype(str), categories=list(data.classes)).codes
    known = codes >= 0
    x = others.drop(columns="class")[known].reset_index(drop=True)[list(data.x.columns)]
    return dataclasses.replace(data, test=(x.astype(data.x.dtypes.to_dict()), codes[known].astype(data.y.dtype)))


def study_cell(name: str, repetition: int, sampler: str, data_folder: Path, out: Path) -> Path:
    """Run and extend a study, unless its file exists, and write its gains."""
    file = out / f"{name}-{sampler}-{repetition}.json"
    if file.name in cells.read(out, "samplers"):
        return file
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    SearchPlan._ablate = SearchPlan._sweep = lambda plan: None  # type: ignore[method-assign]
    data, gains, began = read(name, repetition, data_folder), {}, time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        for trials in BUDGETS:
            study = run_study(
                data, "mlp:64-64", (), TRAINING, protocol=Protocol(seed=repetition), metric="balanced_accuracy",
                budget=f"{trials}trials", sampler=sampler, folder=Path(folder) / "study", progress=False,
            )  # fmt: skip
            best = study.evidence().best
            gain = study.difference(best.candidate.label, part="test").mean if best and best.gain > 0 else 0.0
            gains[trials] = gain
    about = {"set": name, "sampler": sampler, "repetition": repetition, "gains": gains,
             "seconds": time.perf_counter() - began}  # fmt: skip
    return cells.write(file, about)


def rows(out: Path) -> list[list[str]]:
    """The mean gain of each sampler over tables and repetitions, and its difference from random search."""
    stored = cells.read(out, "samplers").values()
    by_key = {(c["set"], c["repetition"], c["sampler"]): c["gains"] for c in stored}
    keys = sorted({key[:2] for key in by_key if all((*key[:2], sampler) in by_key for sampler in SAMPLERS)})
    lines = []
    for sampler in SAMPLERS:
        line = [sampler]
        for trials in map(str, BUDGETS):
            own = [100 * by_key[(*key, sampler)][trials] for key in keys]
            paired = [a - 100 * by_key[(*key, "random")][trials] for a, key in zip(own, keys, strict=True)]
            error = stdev(paired) / len(paired) ** 0.5 if len(paired) > 1 else 0.0
            line.append(f"{fmean(own):+.2f} ({fmean(paired):+.2f} ± {error:.2f})")
        lines.append([*line, str(len(keys))])
    return lines


def main() -> None:
    """Run the studies or print the table."""
    parser = argparse.ArgumentParser(description="Compare the samplers of a search.")
    parser.add_argument("what", choices=("run", "table", "pack"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("out/samplers"))
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    if options.what == "run":
        todo = [(name, n, s) for n in range(options.repetitions) for name in SETS for s in SAMPLERS]
        cells.run(study_cell, [(*cell, options.data, options.out) for cell in todo], options.workers)
        return
    if options.what == "pack":
        print(cells.pack(options.out, "samplers"))
        return
    head = ("sampler", *(f"{trials} trials" for trials in BUDGETS), "studies")
    text = cells.markdown([head, *rows(options.out)])
    print(text)
    if options.markdown:
        tables.write(options.markdown, "gain", text, kind="samplers")


if __name__ == "__main__":
    main()
