"""Which recipes helps.py tests: candidates beside the plain network, scored on rows that are not tested there.

Usage: python benchmarks/helps_tune.py --data ../shared/data [--only NAME] [--seeds 6]
Scores are those of validation parts, by other seeds than those of helps.py. They hold all rows of the sounds and
messages that are neither trained on nor tested. Every row of credit-g is tested by some seed of helps.py: another table
of people, with numbers and categories, stands in for it. The last lines of a question are the plain network trained
otherwise.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
from helps import QUESTIONS, Question, few, gained, trained

import goodfit as gf

FIRST = 100
"""The first seed."""


def adult(folder: Path, seed: int) -> gf.Split:
    """600 rows to train on, of 7,000."""
    table = pd.read_csv(folder / "tabular" / "adult.csv.gz").sample(8000, random_state=0)
    parts = (part.reset_index(drop=True) for part in (table[1000:], table[:1000]))
    train, test = (gf.load(part, "class") for part in parts)
    return few(train, test, 600, seed)


@dataclasses.dataclass(frozen=True)
class Search:
    """What is tried for a question: settings of the plain network, and recipes."""

    name: str
    recipes: tuple[str, ...]
    settings: tuple[tuple[str, dict[str, object]], ...] = ()  # what both networks get, changes of the training
    split: Callable[[Path, int], gf.Split] | None = None  # of what stands in for the question's data

    def question(self) -> Question:
        """The question."""
        found = next(question for question in QUESTIONS if self.name in question.name)
        return dataclasses.replace(found, split=self.split or found.split, independent=True)


SEARCHES = (
    Search(
        "Spoken",
        (
            "spec_augment", "speed=0.1", "speed=0.2", "speed=0.15, spec_augment", "speed=0.1, sound_noise",
            "speed=0.1, cutmix(alpha=1.0, p=0.5)", "mixup=0.4",
        ),
        (("", {"learning_rate": 0.001}),),
    ),
    Search(
        "SMS",
        (
            "word_dropout=0.3", "word_dropout=0.5", "word_removal(0.3, by=tf_idf)", "synonyms=0.2",
            "word_removal(0.3, by=tf_idf), word_dropout=0.5", "character_noise=0.2, word_dropout=0.5",
            "synonyms=0.2, word_dropout=0.5", "random_swap=0.1",
        ),
        (
            ("class_balance", {"epochs": 200}), ("class_balance", {"learning_rate": 0.003}),
            ("class_balance", {"epochs": 40, "learning_rate": 0.003}),
        ),
    ),
    Search(
        "rows mixed",
        ("cutmix(alpha=1.0, p=0.5)", "mixup=1.0", "swap_noise=0.1", "swap_noise=0.2", "swap_noise=0.3"),
        (("early_stopping=20", {}), ("", {"epochs": 40, "schedule": "cosine"}), ("", {"epochs": 40})),
        adult,
    ),
)  # fmt: skip


def lines(search: Search, data: Path, seeds: int) -> Iterator[str]:
    """A line for each setting and recipe: metric and loss, and what they gain on the question's plain network."""
    question = search.question()
    splits = {seed: question.split(data, seed) for seed in range(FIRST, FIRST + seeds)}
    tried = [("", question), *((recipe, question) for recipe in search.recipes)]
    for both, changes in search.settings:
        tried.append(("", dataclasses.replace(
            question, both=both, training=dataclasses.replace(question.training, **changes)
        )))  # fmt: skip
    plain: list[tuple[float, float]] = []
    for recipe, asked in tried:
        found = [trained(asked, [recipe], split, "validation", seed)[0] for seed, split in splits.items()]
        plain = plain or found
        cells = []
        for own, its in zip(zip(*found, strict=True), zip(*plain, strict=True), strict=True):
            gains = [b - a for a, b in zip(its, own, strict=True)]
            cells.append(f"{sum(own) / seeds:.4f} {gained(asked, gains, splits[FIRST])}")
        what = f"{asked.with_recipe(recipe) or 'plain'}; {asked.training.changed()}"
        yield " | ".join([question.name, *cells, what])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with audio, text and tabular")
    parser.add_argument("--seeds", type=int, default=6, help="seeds per question")
    parser.add_argument("--only", default="", help="questions whose name contains it")
    given = parser.parse_args()
    for search in SEARCHES:
        if given.only in search.name:
            for line in lines(search, given.data, given.seeds):
                print(line, flush=True)


if __name__ == "__main__":
    main()
