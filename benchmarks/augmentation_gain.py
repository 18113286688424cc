"""Measure whether augmentation helps: train the same networks with and without it, on real data, over several seeds.

Usage: python benchmarks/augmentation_gain.py --data ../shared/data [--only NAME] [--seeds 10]
           [--markdown docs/augmentation.md]
Recipes were fixed in advance, some of them by augmentation_tuning.py, on rows that are not tested here. Each seed uses
different training rows (credit-g: a different split), initial weights and batches, the same for both networks. Scores
are computed on test rows that are used for nothing else.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import pandas as pd
import tables
from scipy import stats

import goodfit as gf
from goodfit.data import Dataset, default_metric
from goodfit.study.statistics import resampled_error
from goodfit.train.evaluate import evaluate
from goodfit.train.losses import LOSSES, Criterion

Scores = tuple[float, float]
"""(metric, loss)"""
TRAIN = 0.6 / 0.85
"""Share of rows in the training part, if the test rows come from a separate file."""


@dataclass(frozen=True)
class Comparison:
    """Training without and with augmentation on one data set."""

    name: str
    split: Callable[[Path, int], gf.Split]
    model: str
    recipe: str
    training: gf.Training
    independent: bool = True  # whether the training rows of each seed are drawn independently
    both: str = ""  # a recipe for both networks

    def with_recipe(self, recipe: str) -> str:
        """Append a recipe to the one that both networks use."""
        return ", ".join(filter(None, (self.both, recipe)))


def with_test(train: Dataset, test: Dataset, seed: int) -> gf.Split:
    """Split `train` into train, stop and validation parts, with `test` as test part."""
    return dataclasses.replace(train, test=(test.x, test.y)).split(seed)


def rows_to_load(train_rows: int) -> int:
    """The number of rows to load for a training part of `train_rows` rows."""
    return math.ceil(train_rows / TRAIN)


def small_train_part(train: Dataset, test: Dataset, rows: int, seed: int) -> gf.Split:
    """Put `rows` rows into the training part, a sixth of that into the stop part and the rest into validation."""
    total, stop = len(train), round(rows / 6)
    sizes = rows / total, stop / total, 1 - (rows + stop) / total, 0.0
    return dataclasses.replace(train, test=(test.x, test.y)).split(seed, sizes=sizes)


def digits(folder: Path, seed: int) -> gf.Split:
    """1,000 MNIST training digits, and the official test digits."""
    with np.load(folder / "mnist.npz") as file:
        chosen = np.random.default_rng(seed).permutation(len(file["x_train"]))[: rows_to_load(1000)]
        train = gf.load((file["x_train"][chosen], file["y_train"][chosen]))
        return with_test(train, gf.load((file["x_test"], file["y_test"])), seed)


def spoken(folder: Path, seed: int) -> gf.Split:
    """240 spoken training digits, cut at half a second; the test part holds the usual recordings (index below 5)."""
    with np.load(folder / "audio" / "fsdd.npz") as file:
        samples, lengths, takes, labels = (file[name] for name in ("samples", "lengths", "take", "label"))
    clips = np.zeros((len(lengths), 4000), np.float32)
    for clip, end, length in zip(clips, lengths.cumsum(), lengths, strict=True):
        waveform = samples[end - length : end][:4000]
        clip[: len(waveform)] = waveform / 32768
    options = gf.Sounds(rate=8000)
    train, test = (gf.load((clips[part], labels[part]), options=options) for part in (takes >= 5, takes < 5))
    return small_train_part(train, test, 240, seed)


def messages(folder: Path, seed: int) -> gf.Split:
    """200 short training messages; all seeds are tested on the same 3,000."""
    table = pd.read_csv(folder / "text" / "sms_spam.csv.gz").sample(frac=1.0, random_state=0)
    parts = (part.reset_index(drop=True) for part in (table[3000:], table[:3000]))
    train, test = (gf.load(part, "label", gf.Texts(column="text")) for part in parts)
    return small_train_part(train, test, 200, seed)


def credit(folder: Path, seed: int) -> gf.Split:
    """A table of numeric and categorical columns."""
    return gf.load(folder / "tabular" / "credit-g.csv.gz", "class").split(seed, test_seed=seed)


def moving_digits(folder: Path, seed: int, frames: int = 6) -> gf.Split:
    """100 training clips of digits that move left or right through noise, and 1,000 test clips."""
    rng = np.random.default_rng(seed)
    with np.load(folder / "mnist.npz") as file:
        shades = [(file["x_train"], rows_to_load(100)), (file["x_test"], 1000)]
    datasets = []
    for source, rows in shades:
        digits = source[rng.permutation(len(source))[:rows], 4:24:2, 4:24:2] // 2  # 10 × 10
        y, clips = rng.integers(0, 2, rows), rng.integers(0, 120, (rows, frames, 24, 24))
        for clip, digit, direction in zip(clips, digits, y, strict=True):
            top, left, speed = rng.integers(0, 14), rng.integers(0, 14), rng.integers(1, 4)
            for number, frame in enumerate(clip):
                at = (left + (2 * direction - 1) * speed * number) % 14
                frame[top : top + 10, at : at + 10] += digit
        datasets.append(gf.load((clips.astype(np.uint8), np.array(["left", "right"])[y]), options=gf.Clips()))
    return with_test(*datasets, seed)


def cluttered(digits: np.ndarray, rng: np.random.Generator, rows: int, side: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Images of a digit on clutter (parts of other digits, blocks, noise), and masks of the digit's strokes."""
    images, masks = np.zeros((rows, side, side), np.uint8), np.zeros((rows, side, side), np.uint8)
    for image, mask in zip(images, masks, strict=True):
        shades = rng.integers(0, 100, (5, 5)).repeat(8, 0).repeat(8, 1) + rng.normal(0, 15, (side, side))
        for _ in range(6):  # parts of other digits, too small to look like a digit
            piece = digits[rng.integers(len(digits)), 8:18, 8:18]
            top, left = rng.integers(0, side - 10, 2)
            shades[top : top + 10, left : left + 10] += 0.8 * piece
        top, left = rng.integers(0, side - 28, 2)
        digit = digits[rng.integers(len(digits))]
        shades[top : top + 28, left : left + 28] += 0.8 * digit
        mask[top : top + 28, left : left + 28] = digit > 100
        image[:] = shades.clip(0, 255)
    return images, masks


def digits_on_clutter(folder: Path, seed: int) -> gf.Split:
    """20 training images of digits on clutter with their masks, and 500 test images."""
    rng = np.random.default_rng(seed)
    with np.load(folder / "mnist.npz") as file:
        pairs = [cluttered(file[f"x_{part}"], rng, rows) for part, rows in (("train", rows_to_load(20)), ("test", 500))]
    return with_test(*(gf.load(pair) for pair in pairs), seed)


COMPARISONS = (
    Comparison(
        "MNIST, 1,000 training digits", digits, "cnn:16-32",
        "rotation=15.0, shift=0.1, zoom=0.15, shear=10.0, elastic=34.0", gf.Training(epochs=60, batch_size=64),
    ),
    Comparison(
        "Spoken digits, 240 training clips", spoken, "mel_cnn:8-16-32", "speed=0.1",
        gf.Training(epochs=60, batch_size=32, learning_rate=0.004, schedule="cosine"),
    ),
    Comparison(
        "SMS spam, 200 training messages", messages, "bag:64-64",
        "word_removal(0.3, by=tf_idf), word_dropout=0.5",
        gf.Training(epochs=100, batch_size=32, schedule="cosine"), both="class_balance",
    ),
    Comparison(
        "credit-g, rows mixed", credit, "mlp:128-128", "cutmix(alpha=1.0, p=0.5)",
        gf.Training(epochs=100, batch_size=64), independent=False, both="class_balance, early_stopping=20",
    ),
    Comparison(
        "credit-g, columns swapped", credit, "mlp:128-128", "swap_noise=0.3",
        gf.Training(epochs=100, batch_size=64), independent=False, both="class_balance, early_stopping=20",
    ),
    Comparison(
        "Moving digits, left or right, 100 training clips", moving_digits, "cnn:8-16",
        "vertical_flip=0.5, shift=0.1, brightness=0.2, frame_drop=0.1", gf.Training(epochs=60, batch_size=32),
    ),
    Comparison(
        "Masks of digits on clutter, 20 training images", digits_on_clutter, "unet:8-16-32",
        "horizontal_flip, vertical_flip, cutmix",
        gf.Training(epochs=150, batch_size=4, learning_rate=0.01, schedule="cosine"),
    ),
)  # fmt: skip


def train_and_score(
    comparison: Comparison, recipes: Sequence[str], split: gf.Split, part: str, seed: int
) -> list[Scores]:
    """Metric and loss of each recipe on one part of the split."""
    combined = [comparison.with_recipe(recipe) for recipe in recipes]
    runs = gf.fit_many(comparison.model, split, combined, comparison.training, seeds=[seed], progress=False)
    if runs.failed:
        raise runs.failed[0].error
    return [scores(run, split.parts[part]) for run in runs]


def scores(run: gf.Run, part: gf.Part) -> Scores:
    """Metric and mean loss of the kept weights."""
    result = evaluate(run.model, part.x, part.y, Criterion(run.loss, LOSSES[run.loss]), gf.data.metric(run.metric))
    return result.metric, result.loss


def describe_gain(comparison: Comparison, gains: Sequence[float], split: gf.Split) -> str:
    """The mean of the paired differences and its 95 % interval."""
    if comparison.independent:
        half = float(stats.t.ppf(0.975, len(gains) - 1)) * stdev(gains) / math.sqrt(len(gains))
        low, high = fmean(gains) - half, fmean(gains) + half
    else:
        half = float(stats.t.ppf(0.975, len(gains) - 1)) * resampled_error(gains, len(split.test) / len(split.train))
        low, high = fmean(gains) - half, fmean(gains) + half
    return f"{fmean(gains):+.4f} [{low:+.4f}, {high:+.4f}]"


def table_row(comparison: Comparison, data: Path, seeds: int) -> str:
    """One row of the table."""
    started, results = time.perf_counter(), []
    for seed in range(seeds):
        split = comparison.split(data, seed)
        results.append(train_and_score(comparison, ["", comparison.recipe], split, "test", seed))
    without, augmented = zip(*([score for score, _ in both] for both in results), strict=True)
    gains = [b - a for a, b in zip(without, augmented, strict=True)]
    print(f"{comparison.name}: {time.perf_counter() - started:.0f} s", flush=True)
    network = f"{comparison.model}, `{comparison.both}`" if comparison.both else comparison.model
    cells = (
        comparison.name, network, f"`{comparison.recipe}`", default_metric(split.spec, split.train.y),
        f"{fmean(without):.4f}", f"{fmean(augmented):.4f}", describe_gain(comparison, gains, split),
        f"{sum(g > 0 for g in gains)} of {seeds}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def table_rows(data: Path, seeds: int, only: str | None) -> Iterator[str]:
    """All rows of the table."""
    for comparison in COMPARISONS:
        if not only or only in comparison.name:
            yield table_row(comparison, data, seeds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with mnist.npz and the other data")
    parser.add_argument("--seeds", type=int, default=10, help="number of seeds per comparison")
    parser.add_argument("--only", help="run only comparisons whose name contains this")
    parser.add_argument("--markdown", type=Path, help="file in which the table between the markers is replaced")
    options = parser.parse_args()
    heads = ("data", "network", "augmentation", "metric", "without", "with", "difference [95 %]", "better in")
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join(['---'] * len(heads))} |"]
    lines += table_rows(options.data, options.seeds, options.only)
    print("\n".join(lines))
    if options.markdown and not options.only:
        tables.write(options.markdown, "helps", "\n".join(lines), kind="augment")


if __name__ == "__main__":
    main()
