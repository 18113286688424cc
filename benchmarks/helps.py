"""Whether augmentation helps: the same networks with and without it, on real data, over several seeds.

Usage: python benchmarks/helps.py --data ../shared/data [--only NAME] [--seeds 10] [--markdown docs/augmentation.md]
Recipes were fixed beforehand, some of them by helps_tune.py, on rows that are not tested here. Each seed has other
training rows (of credit-g: another division), starting weights and batches, alike for both networks; scores are those
of test rows that nothing else has seen.
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
from goodfit.study.statistics import corrected_interval
from goodfit.study.study import scores

Scores = tuple[float, float]
"""Metric and loss."""
TRAIN = 0.6 / 0.85
"""The share of rows that is trained on where there are test rows apart."""


@dataclass(frozen=True)
class Question:
    """Plain against augmented training on one set of data."""

    name: str
    split: Callable[[Path, int], gf.Split]
    model: str
    recipe: str
    training: gf.Training
    independent: bool = True  # whether seeds have training rows that were drawn independently
    both: str = ""  # what both networks are trained with

    def with_recipe(self, recipe: str) -> str:
        """A recipe behind what both networks are trained with."""
        return ", ".join(filter(None, (self.both, recipe)))


def tested(train: Dataset, test: Dataset, seed: int) -> gf.Split:
    """A split of some rows, tested on others."""
    return dataclasses.replace(train, test=(test.x, test.y)).split(seed)


def pool(rows: int) -> int:
    """How many rows are needed to train on so many."""
    return math.ceil(rows / TRAIN)


def few(train: Dataset, test: Dataset, rows: int, seed: int) -> gf.Split:
    """So many rows to train on, a sixth of that to watch, all others in the validation part, and test rows apart."""
    whole, watched = len(train), round(rows / 6)
    sizes = rows / whole, watched / whole, 1 - (rows + watched) / whole, 0.0
    return dataclasses.replace(train, test=(test.x, test.y)).split(seed, sizes=sizes)


def digits(folder: Path, seed: int) -> gf.Split:
    """1,000 MNIST digits to train on, and the official test digits."""
    with np.load(folder / "mnist.npz") as file:
        chosen = np.random.default_rng(seed).permutation(len(file["x_train"]))[: pool(1000)]
        train = gf.load((file["x_train"][chosen], file["y_train"][chosen]))
        return tested(train, gf.load((file["x_test"], file["y_test"])), seed)


def spoken(folder: Path, seed: int) -> gf.Split:
    """240 spoken digits to train on, cut at half a second; tested on the usual takes below 5."""
    with np.load(folder / "audio" / "fsdd.npz") as file:
        samples, lengths, takes, labels = (file[name] for name in ("samples", "lengths", "take", "label"))
    clips = np.zeros((len(lengths), 4000), np.float32)
    for clip, end, length in zip(clips, lengths.cumsum(), lengths, strict=True):
        found = samples[end - length : end][:4000]
        clip[: len(found)] = found / 32768
    train, test = (
        gf.load((clips[part], labels[part]), options=gf.Sounds(rate=8000)) for part in (takes >= 5, takes < 5)
    )
    return few(train, test, 240, seed)


def messages(folder: Path, seed: int) -> gf.Split:
    """200 short messages to train on; the same 3,000 are tested for all seeds."""
    table = pd.read_csv(folder / "text" / "sms_spam.csv.gz").sample(frac=1.0, random_state=0)
    parts = (part.reset_index(drop=True) for part in (table[3000:], table[:3000]))
    train, test = (gf.load(part, "label", gf.Texts(column="text")) for part in parts)
    return few(train, test, 200, seed)


def credit(folder: Path, seed: int) -> gf.Split:
    """A table of numbers and categories."""
    return gf.load(folder / "tabular" / "credit-g.csv.gz", "class").split(seed, test_seed=seed)


def moving_digits(folder: Path, seed: int, frames: int = 6) -> gf.Split:
    """100 clips of digits that move to the left or to the right through noise to train on, 1,000 to test on."""
    rng = np.random.default_rng(seed)
    with np.load(folder / "mnist.npz") as file:
        shades = [(file["x_train"], pool(100)), (file["x_test"], 1000)]
    made = []
    for source, rows in shades:
        seen = source[rng.permutation(len(source))[:rows], 4:24:2, 4:24:2] // 2  # 10 × 10
        y, clips = rng.integers(0, 2, rows), rng.integers(0, 120, (rows, frames, 24, 24))
        for clip, digit, direction in zip(clips, seen, y, strict=True):
            top, left, speed = rng.integers(0, 14), rng.integers(0, 14), rng.integers(1, 4)
            for number, frame in enumerate(clip):
                at = (left + (2 * direction - 1) * speed * number) % 14
                frame[top : top + 10, at : at + 10] += digit
        made.append(gf.load((clips.astype(np.uint8), np.array(["left", "right"])[y]), options=gf.Clips()))
    return tested(*made, seed)


def cluttered(digits: np.ndarray, rng: np.random.Generator, rows: int, side: int = 40) -> tuple[np.ndarray, np.ndarray]:
    """Images of a digit on clutter (strokes of other digits, blocks, noise), and masks of the digit's strokes."""
    images, masks = np.zeros((rows, side, side), np.uint8), np.zeros((rows, side, side), np.uint8)
    for image, mask in zip(images, masks, strict=True):
        shades = rng.integers(0, 100, (5, 5)).repeat(8, 0).repeat(8, 1) + rng.normal(0, 15, (side, side))
        for _ in range(6):  # pieces of other digits, too small to be one
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
    """20 images of digits on clutter with their masks to train on, 500 to test on."""
    rng = np.random.default_rng(seed)
    with np.load(folder / "mnist.npz") as file:
        made = [cluttered(file[f"x_{part}"], rng, rows) for part, rows in (("train", pool(20)), ("test", 500))]
    return tested(*(gf.load(pair) for pair in made), seed)


QUESTIONS = (
    Question(
        "MNIST, 1,000 training digits", digits, "cnn:16-32",
        "rotation=15.0, shift=0.1, zoom=0.15, shear=10.0, elastic=34.0", gf.Training(epochs=60, batch_size=64),
    ),
    Question(
        "Spoken digits, 240 training clips", spoken, "mel_cnn:8-16-32", "speed=0.1",
        gf.Training(epochs=60, batch_size=32, learning_rate=0.004, schedule="cosine"),
    ),
    Question(
        "SMS spam, 200 training messages", messages, "bag:64-64",
        "word_removal(0.3, by=tf_idf), word_dropout=0.5",
        gf.Training(epochs=100, batch_size=32, schedule="cosine"), both="class_balance",
    ),
    Question(
        "credit-g, rows mixed", credit, "mlp:128-128", "cutmix(alpha=1.0, p=0.5)",
        gf.Training(epochs=100, batch_size=64), independent=False, both="class_balance, early_stopping=20",
    ),
    Question(
        "credit-g, columns swapped", credit, "mlp:128-128", "swap_noise=0.3",
        gf.Training(epochs=100, batch_size=64), independent=False, both="class_balance, early_stopping=20",
    ),
    Question(
        "Moving digits, left or right, 100 training clips", moving_digits, "cnn:8-16",
        "vertical_flip=0.5, shift=0.1, brightness=0.2, frame_drop=0.1", gf.Training(epochs=60, batch_size=32),
    ),
    Question(
        "Masks of digits on clutter, 20 training images", digits_on_clutter, "unet:8-16-32",
        "horizontal_flip, vertical_flip, cutmix",
        gf.Training(epochs=150, batch_size=4, learning_rate=0.01, schedule="cosine"),
    ),
)  # fmt: skip


def trained(question: Question, recipes: Sequence[str], split: gf.Split, part: str, seed: int) -> list[Scores]:
    """Metric and loss on a part of the split, for each recipe."""
    wanted = [question.with_recipe(recipe) for recipe in recipes]
    runs = gf.fit_many(question.model, split, wanted, question.training, seeds=[seed], progress=False)
    return [scores(run, split.parts[part]) for run in runs]


def gained(question: Question, gains: Sequence[float], split: gf.Split) -> str:
    """Mean of paired differences and its interval."""
    if question.independent:
        half = float(stats.t.ppf(0.975, len(gains) - 1)) * stdev(gains) / math.sqrt(len(gains))
        low, high = fmean(gains) - half, fmean(gains) + half
    else:
        corrected = corrected_interval(gains, len(split.test) / len(split.train))
        low, high = corrected.low, corrected.high
    return f"{fmean(gains):+.4f} [{low:+.4f}, {high:+.4f}]"


def line(question: Question, data: Path, seeds: int) -> str:
    """A line of the table."""
    begun, found = time.perf_counter(), []
    for seed in range(seeds):
        split = question.split(data, seed)
        found.append(trained(question, ["", question.recipe], split, "test", seed))
    plain, augmented = zip(*([score for score, _ in both] for both in found), strict=True)
    gains = [b - a for a, b in zip(plain, augmented, strict=True)]
    print(f"{question.name}: {time.perf_counter() - begun:.0f} s", flush=True)
    network = f"{question.model}, `{question.both}`" if question.both else question.model
    cells = (
        question.name, network, f"`{question.recipe}`", default_metric(split.spec, split.train.y),
        f"{fmean(plain):.4f}", f"{fmean(augmented):.4f}", gained(question, gains, split),
        f"{sum(g > 0 for g in gains)} of {seeds}",
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def asked(data: Path, seeds: int, only: str | None) -> Iterator[str]:
    """The lines of the table."""
    for question in QUESTIONS:
        if not only or only in question.name:
            yield line(question, data, seeds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with mnist.npz and others")
    parser.add_argument("--seeds", type=int, default=10, help="seeds per question")
    parser.add_argument("--only", help="questions whose name contains it")
    parser.add_argument("--markdown", type=Path, help="file whose table between markers is replaced")
    given = parser.parse_args()
    heads = ("data", "network", "augmentation", "metric", "plain", "augmented", "difference [95 %]", "better in")
    lines = [f"| {' | '.join(heads)} |", f"| {' | '.join(['---'] * len(heads))} |"]
    lines += asked(given.data, given.seeds, given.only)
    print("\n".join(lines))
    if given.markdown and not given.only:
        tables.write(given.markdown, "helps", "\n".join(lines), kind="augment")


if __name__ == "__main__":
    main()
