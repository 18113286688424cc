"""Time the same trainings with two source trees of goodfit, alternately, and print the median ratio.

Usage: python benchmarks/before_after.py --before ../older-checkout [--rounds 9] [--threads 1]

Each tree runs in a process of its own; both stay alive, and one trains while the other waits. A round times both trees,
in alternating order, and their ratio is taken within the round, so that a slow drift of the machine affects both.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WORKER = r"""
import json, sys, time, warnings
import numpy as np, torch
import goodfit as gf
from goodfit.data import from_tensors
from torch import nn

threads = int(sys.argv[1])
torch.set_num_threads(threads)
warnings.simplefilter("ignore")


def data(rows, features, classes, shape=None):
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.normal(size=(rows, *(shape or (features,)))), dtype=torch.float32)
    y = torch.tensor(rng.integers(0, classes, rows))
    parts = x.split([rows - 400, 200, 200]), y.split([rows - 400, 200, 200])
    return from_tensors(*zip(*parts))


def layers(*sizes):
    made = []
    for a, b in zip(sizes, sizes[1:]):
        made += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*made[:-1])


WIDE, SMALL, IMAGES = data(4000, 784, 10), data(1400, 20, 2), data(1000, 0, 10, (1, 14, 14))
BIG, LITTLE = layers(784, 500, 500, 500, 500, 500, 10), layers(20, 64, 64, 2)
CONV = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Conv2d(8, 16, 3), nn.ReLU(), nn.Flatten(), nn.Linear(1600, 10))
THREE = "l2=1e-4, max_norm=3, early_stopping=50"
MANY = ["", "l2=1e-3, dropout=0.2", "l1=1e-4, dropout=0.5, max_norm=2", "label_smoothing=0.1, weight_decay=0.01"]


def fit(model, split, recipe, epochs, batch, seed=0):
    return lambda: gf.fit(model, split, recipe, gf.Training(epochs=epochs, batch_size=batch), seed=seed, progress=False)


def attach():
    model, (x, y) = layers(20, 64, 64, 2), (SMALL.train.x, SMALL.train.y)
    optimizer = torch.optim.Adam(model.parameters())
    with gf.attach(model, "dropout=0.2, l1=1e-4, mixup=0.2, clip_grad_norm=1", optimizer, data=(x, y)) as reg:
        for _ in range(10):
            for rows in torch.randperm(len(x)).split(32):
                xb, yb = reg.batch(x[rows], y[rows])
                (nn.functional.cross_entropy(model(xb), yb) + reg.penalty()).backward()
                reg.step()


CASES = {
    "solo, 784-500x5-10, plain": fit(BIG, WIDE, "", 1, 128),
    "solo, 784-500x5-10, three techniques": fit(BIG, WIDE, THREE, 1, 128),
    "solo, 20-64-64-2, plain": fit(LITTLE, SMALL, "", 12, 32),
    "solo, 20-64-64-2, three techniques": fit(LITTLE, SMALL, THREE, 12, 32),
    "solo, 20-64-64-2, dropout, mixup, l1, ema": fit(LITTLE, SMALL, "dropout=0.2, mixup=0.2, l1=1e-4, ema=0.9", 12, 32),
    "solo, convolutions, flips and crops": fit(CONV, IMAGES, "horizontal_flip, random_crop=0.1, cut_out", 3, 64),
    "attach, 20-64-64-2, four techniques": attach,
    "start of a run (one epoch of one step)": fit(LITTLE, SMALL, THREE, 1, 2000),
    "population of 32, 20-64-64-2, mapped": lambda: gf.fit_many(
        LITTLE, SMALL, MANY, gf.Training(epochs=1, batch_size=32), seeds=range(8), population=True, progress=False),
    "population of 32, 20-64-64-2, compiled": lambda: gf.fit_many(
        LITTLE, SMALL, MANY, gf.Training(epochs=30, batch_size=32), seeds=range(8), population=True, progress=False),
}
print(json.dumps(list(CASES)), flush=True)
for line in sys.stdin:
    torch.manual_seed(0)
    began = time.perf_counter()
    CASES[line.strip()]()
    print(time.perf_counter() - began, flush=True)
"""


def start(tree: Path, threads: int) -> subprocess.Popen[str]:
    """A process that trains with a source tree on request."""
    environment = {**os.environ, "PYTHONPATH": str(tree / "src")}
    command = [sys.executable, "-c", WORKER, str(threads)]
    return subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def seconds(worker: subprocess.Popen[str], case: str) -> float:
    """Train a case once; its time."""
    assert worker.stdin is not None
    assert worker.stdout is not None
    worker.stdin.write(case + "\n")
    worker.stdin.flush()
    return float(worker.stdout.readline())


def main() -> None:
    """Print a table of the medians and the median paired ratio of each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, required=True, help="the older source tree")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="", help="run the cases whose names contain this text")
    arguments = parser.parse_args()
    before, after = (start(tree, arguments.threads) for tree in (arguments.before.resolve(), ROOT))
    assert before.stdout is not None
    assert after.stdout is not None
    cases = json.loads(before.stdout.readline())
    assert json.loads(after.stdout.readline()) == cases
    ratios = []
    head = f"case ({arguments.threads} thread(s), {arguments.rounds} rounds)"
    print(f"| {head} | before, s | after, s | ratio (quartiles) |")
    print("|---|---|---|---|")
    for case in [case for case in cases if arguments.only in case]:
        for worker in (before, after):
            seconds(worker, case)  # caches fill, compilers compile
        times: tuple[list[float], list[float]] = ([], [])
        for number in range(arguments.rounds):
            order = ((0, before), (1, after)) if number % 2 else ((1, after), (0, before))
            for side, worker in order:
                times[side].append(seconds(worker, case))
        paired = sorted(b / a for a, b in zip(*times, strict=True))
        ratio, quarter = statistics.median(paired), len(paired) // 4
        ratios.append(ratio)
        medians = " | ".join(f"{statistics.median(side):.3f}" for side in times)
        print(f"| {case} | {medians} | {ratio:.3f} ({paired[quarter]:.3f}–{paired[-1 - quarter]:.3f}) |", flush=True)
    print(f"median of the ratios: {statistics.median(ratios):.3f}; worst: {max(ratios):.3f}")
    for worker in (before, after):
        worker.kill()


if __name__ == "__main__":
    main()
