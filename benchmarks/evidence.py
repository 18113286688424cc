"""How often whole studies are right: when nothing helps, and when something is known to help.

    OMP_NUM_THREADS=1 python benchmarks/evidence.py run [--null 70] [--planted 40] [--workers 2] [--out out/evidence]
    python benchmarks/evidence.py table [--out out/evidence] [--markdown docs/evidence.md]

Every study searches, compares its finalists and says how sure it is, as `goodfit study` does; ablation and sweeps are
left out, because they change no answer. One small JSON file per study is written; a run that was stopped goes on.

Null studies: no recipe can help, because the labels are independent of the inputs. Planted studies: something helps by
design, the more, the larger the `dial` of the kind; the true gain of a recipe is the difference of its networks from
plain networks on 50,000 new rows.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import math
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import tables
import torch
from joblib import Parallel, delayed
from scipy import stats
from scipy.ndimage import rotate
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

from goodfit.data import Dataset, load
from goodfit.serialization import to_json, write_bytes
from goodfit.study import Protocol, Study
from goodfit.study.evidence import Comparison
from goodfit.study.search.plan import SearchPlan
from goodfit.study.study import run_study
from goodfit.train.config import Training

NEW_ROWS, TRIALS = 50_000, 60
QUICK = Training(epochs=20, batch_size=64, learning_rate=3e-3)
Arrays = tuple[np.ndarray, np.ndarray]
Draw = Callable[[np.random.Generator, int, float], Arrays]
"""A generator, a number of rows and the dial → inputs and targets."""


@dataclass(frozen=True)
class Kind:
    """A shape of data with its network.

    Attributes:
        draw: draws rows.
        rows: the rows of a study, without the new ones.
        dials: how strong the planted effect is; one of them is drawn per study.
        reference: a recipe that is known to help; `{half}` stands for half of the dial.
    """

    draw: Draw
    rows: int = 480
    network: str = "mlp:32"
    metric: str = "balanced_accuracy"
    training: Training = QUICK
    trials: int = TRIALS
    dials: Sequence[float] = (0.0,)
    reference: str = ""


# ---- nothing helps ---------------------------------------------------------------------------------


def noise(columns: int, classes: int = 2, share: float = 0.0) -> Draw:
    """Normal inputs, and labels that do not depend on them; `share`: of the second of two classes, if not half."""

    def draw(rng: np.random.Generator, rows: int, dial: float) -> Arrays:
        y = np.arange(rows) % classes if not share else (np.arange(rows) < share * rows).astype(int)
        return rng.normal(size=(rows, columns)), rng.permutation(y)

    return draw


def shuffled_table(rng: np.random.Generator, rows: int, dial: float) -> Arrays:
    """Correlated columns, some with few values and heavy tails, as in real tables, with shuffled labels."""
    latent = rng.normal(size=(rows, 6)) @ rng.normal(size=(6, 20))
    x = latent + rng.normal(size=latent.shape)
    x[:, :6] = np.round(x[:, :6])
    x[:, 6:10] = np.exp(x[:, 6:10])
    x[:, 10:14] = x[:, 10:14] > 1
    return x, rng.permutation((np.arange(rows) < 0.3 * rows).astype(int))


NULL = {
    "noise, 20 columns": Kind(noise(20)),
    "table, shuffled labels": Kind(shuffled_table),
    "150 rows": Kind(noise(10), rows=150),
    "8 classes": Kind(noise(20, 8), rows=640),
    "ROC AUC, 20 % positive": Kind(noise(20, share=0.2), metric="roc_auc"),
    "240 trials": Kind(noise(20), trials=240),
    "overfitting network": Kind(
        noise(20), network="mlp:128-128", training=Training(epochs=40, batch_size=64, learning_rate=3e-3)
    ),
}

# ---- something helps ---------------------------------------------------------------------------------


def linear(rng: np.random.Generator, x: np.ndarray, columns: int, noise_level: float = 0.5) -> np.ndarray:
    """Two classes that depend on the first columns."""
    weights = np.array([1.2, -1.0, 0.9, -0.8, 1.1, 0.7, -0.9, 1.0])[:columns]
    return (x[:, :columns] @ weights + noise_level * rng.normal(size=len(x)) > 0).astype(int)


def noise_columns(rng: np.random.Generator, rows: int, dial: float) -> Arrays:
    """Five useful columns, and `dial` useless ones."""
    x = rng.normal(size=(rows, 5 + int(dial)))
    return x, linear(rng, x, 5)


def wide(rng: np.random.Generator, rows: int, dial: float) -> Arrays:
    """20 columns, of which five are useful; `dial` is the noise that a wide network learns by heart."""
    x = rng.normal(size=(rows, 20))
    return x, linear(rng, x, 5, dial)


def wrong_labels(rng: np.random.Generator, rows: int, dial: float) -> Arrays:
    """20 columns, of which two are useful; a share `dial` of the labels is wrong, also of new rows."""
    x = rng.normal(size=(rows, 20))
    y = (x[:, 0] + x[:, 1] + 0.5 * x[:, 3] > 0).astype(int)
    return x, np.where(rng.random(rows) < dial, 1 - y, y)


def rotated_digits(rng: np.random.Generator, rows: int, dial: float) -> Arrays:
    """Digits, each turned by a random angle of up to `dial` degrees. New rows show other digits."""
    digits = load_digits()
    own = slice(0, 900) if rows < NEW_ROWS else slice(900, None)
    images, labels = digits.images[own], digits.target[own]
    picked = rng.integers(0, len(images), rows)
    angles = rng.uniform(-dial, dial, min(rows, 12_000))
    distinct = np.stack([rotate(images[i], a, reshape=False, order=1) for i, a in zip(picked, angles, strict=False)])
    repeated = np.arange(rows) % len(distinct)
    x = np.clip(distinct[repeated] * 16, 0, 255).astype(np.uint8)[:, None]
    return x, labels[picked[: len(distinct)]][repeated]


def rare_class(rng: np.random.Generator, rows: int, dial: float) -> Arrays:
    """A share `dial` of the rows is of the second class; the classes overlap."""
    y = (rng.random(rows) < dial).astype(int)
    y[:12] = np.arange(12) % 2
    x = rng.normal(size=(rows, 10))
    x[:, :4] += 0.8 * y[:, None]
    return x, y


def correlated(rng: np.random.Generator, rows: int, dial: float) -> Arrays:
    """Many columns that are mixtures of eight, on which the class depends; `dial` is the number of columns."""
    fixed = np.random.default_rng(0).normal(size=(8, int(dial)))
    latent = rng.normal(size=(rows, 8))
    return latent @ fixed + 2.0 * rng.normal(size=(rows, int(dial))), linear(rng, latent, 8, 1.5)


WIDE = Training(epochs=25, batch_size=64, learning_rate=2e-3)
PLANTED = {
    "noise columns": Kind(noise_columns, dials=(5, 15, 30, 60, 120, 300), reference="l1=0.003"),
    "wide network": Kind(wide, network="mlp:256-256", training=WIDE, dials=(0.5, 1.0, 2.0, 3.0, 4.0),
                         reference="dropout=0.8"),
    "wrong labels": Kind(wrong_labels, network="mlp:128-128", training=Training(epochs=40, learning_rate=3e-3),
                         dials=(0.02, 0.05, 0.1, 0.2, 0.3), reference="weight_decay=10, dropout=0.8"),
    "rotated digits": Kind(rotated_digits, rows=400, network="mlp:64", metric="accuracy",
                           dials=(30, 60, 90, 120, 180), training=Training(epochs=60, learning_rate=2e-3),
                           reference="rotation={half}"),
    "rare class": Kind(rare_class, dials=(0.05, 0.1, 0.15, 0.25, 0.35), reference="class_weights=1.0"),
    "correlated inputs": Kind(correlated, dials=(10, 20, 40, 80, 160), reference="l2=0.05"),
}  # fmt: skip

# ---- one study ---------------------------------------------------------------------------------------


def study_cell(group: str, name: str, number: int, out: Path) -> Path:
    """Run a study, unless its file exists, and write what the tables need."""
    file = out / group / f"{name.replace(' ', '-').replace(',', '')}-{number:04}.json"
    if file.is_file():
        return file
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    kind = (NULL if group == "null" else PLANTED)[name]
    rng = np.random.default_rng([number, len(name), *name.encode()])
    dial = float(kind.dials[number % len(kind.dials)])
    began = time.perf_counter()
    data = load(kind.draw(rng, kind.rows, dial))
    if group == "planted":
        x, y = kind.draw(rng, NEW_ROWS, dial)
        data = dataclasses.replace(data, test=(_like(data, x), np.searchsorted(np.array(data.classes, y.dtype), y)))
    study = search(kind, data, number)
    about = {"group": group, "kind": name, "number": number, "dial": dial, **summary(study, group == "planted")}
    if group == "planted":
        reference = kind.reference.format(half=dial / 2)
        own = run_study(data, kind.network, [reference], kind.training, metric=kind.metric, progress=False,
                        protocol=Protocol(seed=number))  # fmt: skip
        about["reference"] = own.difference(own.labels[1], part="test").mean
    about["seconds"] = time.perf_counter() - began
    file.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(file, to_json(about).encode())
    return file


def _like(data: Dataset, x: np.ndarray) -> Any:
    """New inputs in the form of the data's own."""
    import pandas as pd

    return pd.DataFrame(x, columns=data.x.columns) if isinstance(data.x, pd.DataFrame) else x.astype(data.x.dtype)


def search(kind: Kind, data: Dataset, seed: int) -> Study:
    """A whole study, without ablation and sweeps."""
    SearchPlan._ablate = SearchPlan._sweep = lambda plan: None  # type: ignore[method-assign]
    return run_study(data, kind.network, (), kind.training, protocol=Protocol(seed=seed), metric=kind.metric,
                     budget=f"{kind.trials}trials", progress=False)  # fmt: skip


def summary(study: Study, planted: bool) -> dict[str, Any]:
    """The comparisons of a study, and their true gains on new rows."""
    result = study.evidence()
    sign = 1 if study.higher_is_better else -1
    recommended = result.recommended.candidate.label if result.recommended else ""
    true = {c.candidate.label: sign * study.difference(c.candidate.label, part="test").mean for c in result.comparisons}
    return {
        "rows": study.scored_rows, "trials": study.trials, "critical": result.critical,
        "smallest": result.smallest_detectable, "recommended": recommended,
        "comparisons": [_row(c, true[c.candidate.label] if planted else math.nan) for c in result.comparisons],
    }  # fmt: skip


def _row(c: Comparison, true: float) -> dict[str, Any]:
    return {
        "recipe": c.candidate.label, "gain": c.gain, "error": c.error, "shrunk": c.shrunk, "p": c.p,
        "p_adjusted": c.p_adjusted, "low": c.low, "high": c.high, "p_resampled": c.p_resampled,
        "confidence": c.confidence, "true": true,
    }  # fmt: skip


def cells(null: int, planted: int) -> list[tuple[str, str, int]]:
    """The studies to run, kind after kind in turn."""
    own = [("null", name, n) for n in range(null) for name in NULL]
    return own + [("planted", name, n) for n in range(planted) for name in PLANTED]


# ---- tables ------------------------------------------------------------------------------------------


def read_cells(out: Path, group: str) -> dict[str, list[Any]]:
    """The studies of a group by kind."""
    cells: dict[str, list[Any]] = {}
    for file in sorted((out / group).glob("*.json")):
        about = json.loads(file.read_text())
        cells.setdefault(about["kind"], []).append(about)
    return cells


def percent(values: Sequence[bool], bound: bool = False) -> str:
    """The share of True in percent; `bound`: with its upper 95 % bound (Clopper and Pearson)."""
    if not values:
        return "–"
    text = f"{100 * fmean(values):.1f}"
    if not bound:
        return text
    hits, n = sum(values), len(values)
    upper = float(stats.beta.ppf(0.95, hits + 1, n - hits)) if hits < n else 1.0
    return f"{text} (< {100 * upper:.1f})"


def is_sure(study: Any) -> bool:
    """Whether the study is sure of some recipe."""
    return any(c["confidence"] == "sure" for c in study["comparisons"])


def smallest_p(study: Any, name: str) -> float:
    """The smallest p value of a recipe that gained."""
    return min([float(c[name]) for c in study["comparisons"] if c["gain"] > 0 and c[name] != "nan"] + [1.0])


def null_table(cells: dict[str, list[Any]]) -> list[list[str]]:
    """Error rates where nothing helps, in percent of the studies."""
    rows = [["data", "studies", "sure (upper 95 % bound)", "recommended", "uncorrected", "Bonferroni, compared",
             "Bonferroni, all trials", "Nadeau–Bengio"]]  # fmt: skip
    everything = [study for own in cells.values() for study in own]
    for name, own in [*cells.items(), ("all", everything)]:
        p, resampled = [smallest_p(s, "p") for s in own], [smallest_p(s, "p_resampled") for s in own]
        compared = [len(s["comparisons"]) for s in own]
        rows.append([
            name, str(len(own)), percent([is_sure(s) for s in own], bound=True),
            percent([bool(s["recommended"]) for s in own]), percent([value < 0.05 for value in p]),
            percent([value * n < 0.05 for value, n in zip(p, compared, strict=True)]),
            percent([value * (n + s["trials"]) < 0.05 for value, n, s in zip(p, compared, own, strict=True)]),
            percent([value < 0.05 for value in resampled]),
        ])  # fmt: skip
    return rows


def planted_table(cells: dict[str, list[Any]]) -> list[list[str]]:
    """Power where something helps: the share of sure studies by true effect / smallest detectable effect."""
    rows = [["data", "studies", "effect < 0.5", "0.5–1", "1–1.25", "> 1.25", "80 % point", "sure of a loss"]]
    everything = [study for own in cells.values() for study in own]
    for name, own in [*cells.items(), ("all", everything)]:
        known = [s for s in own if s["smallest"] not in ("nan", None)]
        ratio = np.array([float(s["reference"]) / float(s["smallest"]) for s in known])
        sure = np.array([is_sure(s) for s in known])
        bins = [(-np.inf, 0.5), (0.5, 1.0), (1.0, 1.25), (1.25, np.inf)]
        shares = [
            f"{percent(list(sure[inside]))} ({inside.sum()})"
            for inside in ((ratio >= low) & (ratio < high) for low, high in bins)
        ]
        losses = sum(c["confidence"] == "sure" and float(c["true"]) < 0 for s in own for c in s["comparisons"])
        rows.append([name, str(len(own)), *shares, eighty_point(ratio, sure), str(losses)])
    return rows


def eighty_point(ratio: np.ndarray, sure: np.ndarray) -> str:
    """The ratio at which a fitted logistic curve reaches 80 %."""
    if len(set(sure)) < 2:
        return "–"
    curve = LogisticRegression(C=1e6).fit(ratio[:, None], sure)
    return f"{(math.log(4) - curve.intercept_[0]) / curve.coef_[0, 0]:.2f}"


def coverage_table(cells: dict[str, list[Any]]) -> list[list[str]]:
    """How often intervals contain the true difference on new rows, in percent."""
    rows = [
        ["data", "intervals", "of one recipe alone", "winner, after the correction", "gain − true, winner (points)"]
    ]
    everything = [study for own in cells.values() for study in own]
    for name, own in [*cells.items(), ("all", everything)]:
        each = [(c, s["rows"]) for s in own for c in s["comparisons"] if c["true"] not in ("nan", None)]
        alone = [abs(c["gain"] - c["true"]) <= stats.t.ppf(0.975, n - 1) * c["error"] for c, n in each]
        winners = [max(s["comparisons"], key=lambda c: c["gain"]) for s in own if s["comparisons"]]
        inside = [float(c["low"]) <= c["true"] <= float(c["high"]) for c in winners]
        bias = fmean(c["gain"] - c["true"] for c in winners) if winners else math.nan
        rows.append([name, str(len(alone)), percent(alone), percent(inside), f"{100 * bias:+.2f}"])
    return rows


def markdown(rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [" | ".join(row) for row in (rows[0], ["---"] * len(rows[0]), *rows[1:])]
    return "\n".join(f"| {line} |" for line in lines)


def main() -> None:
    """Run the studies or print the tables."""
    parser = argparse.ArgumentParser(description="How often whole studies are right.")
    parser.add_argument("what", choices=("run", "table"))
    parser.add_argument("--null", type=int, default=70, help="studies for each shape without an effect")
    parser.add_argument("--planted", type=int, default=40, help="studies for each planted effect")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("out/evidence"))
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    if options.what == "run":
        from evidence import study_cell as cell_of  # by name: processes import it, because the kinds cannot be pickled

        todo = cells(options.null, options.planted)
        for done in Parallel(n_jobs=options.workers, return_as="generator_unordered", batch_size=1)(
            delayed(cell_of)(*cell, options.out) for cell in todo
        ):
            print(done.name, f"{json.loads(done.read_text())['seconds']:.0f} s", flush=True)
        return
    null, planted = (read_cells(options.out, group) for group in ("null", "planted"))
    for name, rows in (("null", null_table(null)), ("planted", planted_table(planted)),
                       ("coverage", coverage_table(planted))):  # fmt: skip
        print(f"{name}\n{markdown(rows)}\n")
        if options.markdown:
            tables.write(options.markdown, name, markdown(rows), kind="evidence")


if __name__ == "__main__":
    main()
