"""Choose the recipes that augmentation_gain.py tests: compare candidates with the baseline, on rows not tested there.

Usage: python benchmarks/augmentation_tuning.py --data ../shared/data [--only NAME] [--seeds 6]
Scores are computed on validation parts, with different seeds than in augmentation_gain.py. The validation parts of
sounds and messages hold all rows that are neither trained on nor tested. Every row of credit-g is tested by some seed
there, so another table of people with numeric and categorical columns (adult) replaces it. The last rows of a search
show the baseline with other training settings.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import pandas as pd
from augmentation_gain import COMPARISONS, Comparison, describe_gain, small_train_part, train_and_score

import goodfit as gf

FIRST = 100
"""First seed; augmentation_gain.py uses smaller ones."""


def adult(folder: Path, seed: int) -> gf.Split:
    """600 training rows from 7,000."""
    table = pd.read_csv(folder / "tabular" / "adult.csv.gz").sample(8000, random_state=0)
    parts = (part.reset_index(drop=True) for part in (table[1000:], table[:1000]))
    train, test = (gf.load(part, "class") for part in parts)
    return small_train_part(train, test, 600, seed)


@dataclasses.dataclass(frozen=True)
class Search:
    """What is tried for a comparison: recipes, and training settings of the baseline."""

    name: str
    recipes: tuple[str, ...]
    settings: tuple[tuple[str, dict[str, object]], ...] = ()  # (recipe of both networks, changed training settings)
    split: Callable[[Path, int], gf.Split] | None = None  # data that replace those of the comparison

    def comparison(self) -> Comparison:
        """The comparison that is tuned, with its replacement data if there are any."""
        original = next(comparison for comparison in COMPARISONS if self.name in comparison.name)
        return dataclasses.replace(original, split=self.split or original.split, independent=True)


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


def table_rows(search: Search, data: Path, seeds: int) -> Iterator[str]:
    """One row per setting and recipe: metric and loss, and their gain over the baseline."""
    comparison = search.comparison()
    splits = {seed: comparison.split(data, seed) for seed in range(FIRST, FIRST + seeds)}
    candidates = [("", comparison), *((recipe, comparison) for recipe in search.recipes)]
    for both, changes in search.settings:
        candidates.append(("", dataclasses.replace(
            comparison, both=both, training=dataclasses.replace(comparison.training, **changes)
        )))  # fmt: skip
    baseline: list[tuple[float, float]] = []
    for recipe, candidate in candidates:
        results = [train_and_score(candidate, [recipe], split, "validation", seed)[0] for seed, split in splits.items()]
        baseline = baseline or results
        cells = []
        for scores, reference in zip(zip(*results, strict=True), zip(*baseline, strict=True), strict=True):
            gains = [b - a for a, b in zip(reference, scores, strict=True)]
            cells.append(f"{sum(scores) / seeds:.4f} {describe_gain(candidate, gains, splits[FIRST])}")
        what = f"{candidate.with_recipe(recipe) or 'baseline'}; {candidate.training.changed()}"
        yield " | ".join([comparison.name, *cells, what])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder that contains audio, text and tabular")
    parser.add_argument("--seeds", type=int, default=6, help="number of seeds per search")
    parser.add_argument("--only", default="", help="run only searches whose name contains this")
    options = parser.parse_args()
    for search in SEARCHES:
        if options.only in search.name:
            for row in table_rows(search, options.data, options.seeds):
                print(row, flush=True)


if __name__ == "__main__":
    main()
