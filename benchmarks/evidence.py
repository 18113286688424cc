"""How often whole studies are right: when nothing helps, and when something is known to help.

    OMP_NUM_THREADS=1 python benchmarks/evidence.py run [--null 70] [--planted 40] [--workers 2] [--out out/evidence]
    python benchmarks/evidence.py pack
    python benchmarks/evidence.py table [--out out/evidence] [--markdown docs/study.md]

Every study searches, compares its finalists and says how sure it is, as `goodfit study` does; ablation and sweeps are
left out, because they change no answer. One small JSON file per study is written; a run that was stopped goes on.
`pack` adds the files to those in benchmarks/results, from which the tables are computed, too.

Null studies: no recipe can help, because the labels are independent of the inputs. Planted studies: something helps by
design, the more, the larger the `dial` of the kind; the true gain of a recipe is the difference of its networks from
plain networks on 50,000 new rows.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import cells
import numpy as np
import tables
import torch
from scipy import stats
from simulated import NEW_ROWS, NULL, PLANTED, Kind
from sklearn.linear_model import LogisticRegression

from goodfit.data import Dataset, load
from goodfit.study import Protocol, Study
from goodfit.study.evidence import Comparison
from goodfit.study.search.plan import SearchPlan
from goodfit.study.study import run_study

# ---- one study ---------------------------------------------------------------------------------------


def study_cell(group: str, name: str, number: int, out: Path) -> Path:
    """Run a study, unless its file exists, and write what the tables need."""
    file = out / group / f"{name.replace(' ', '-').replace(',', '')}-{number:04}.json"
    if file.name in cells.read(out / group, f"evidence-{group}"):
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
    return cells.write(file, about)


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


def all_cells(null: int, planted: int) -> list[tuple[str, str, int]]:
    """The studies to run, kind after kind in turn."""
    return [
        (group, name, n)
        for group, count, kinds in (("null", null, NULL), ("planted", planted, PLANTED))
        for n in range(count)
        for name, kind in kinds.items()
        if n < count * kind.share
    ]


# ---- tables ------------------------------------------------------------------------------------------


def by_kind(out: Path, group: str) -> dict[str, list[Any]]:
    """The studies of a group by kind."""
    kinds: dict[str, list[Any]] = {name: [] for name in (NULL if group == "null" else PLANTED)}
    for about in cells.read(out / group, f"evidence-{group}").values():
        kinds[about["kind"]].append(about)
    return {name: own for name, own in kinds.items() if own}


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


def null_table(kinds: dict[str, list[Any]]) -> list[list[str]]:
    """Error rates where nothing helps, in percent of the studies."""
    rows = [["data", "studies", "sure (upper 95 % bound)", "recommended", "uncorrected", "Bonferroni, compared",
             "Bonferroni, all trials", "Nadeau–Bengio"]]  # fmt: skip
    everything = [study for own in kinds.values() for study in own]
    for name, own in [*kinds.items(), ("all", everything)]:
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


def planted_table(kinds: dict[str, list[Any]]) -> list[list[str]]:
    """Power where something helps: the share of sure studies by true effect / smallest detectable effect."""
    rows = [["data", "studies", "effect < 0.5", "0.5–1", "1–1.25", "> 1.25", "80 % point", "sure of a loss"]]
    everything = [study for own in kinds.values() for study in own]
    for name, own in [*kinds.items(), ("all", everything)]:
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


def coverage_table(kinds: dict[str, list[Any]]) -> list[list[str]]:
    """How often intervals contain the true difference on new rows, in percent."""
    rows = [
        ["data", "intervals", "of one recipe alone", "winner, after the correction", "gain − true, winner (points)"]
    ]
    everything = [study for own in kinds.values() for study in own]
    for name, own in [*kinds.items(), ("all", everything)]:
        each = [(c, s["rows"]) for s in own for c in s["comparisons"] if c["true"] not in ("nan", None)]
        alone = [abs(c["gain"] - c["true"]) <= stats.t.ppf(0.975, n - 1) * c["error"] for c, n in each]
        winners = [max(s["comparisons"], key=lambda c: c["gain"]) for s in own if s["comparisons"]]
        inside = [float(c["low"]) <= c["true"] <= float(c["high"]) for c in winners]
        bias = fmean(c["gain"] - c["true"] for c in winners) if winners else math.nan
        rows.append([name, str(len(alone)), percent(alone), percent(inside), f"{100 * bias:+.2f}"])
    return rows


def main() -> None:
    """Run the studies or print the tables."""
    parser = argparse.ArgumentParser(description="How often whole studies are right.")
    parser.add_argument("what", choices=("run", "table", "pack"))
    parser.add_argument("--null", type=int, default=70, help="studies for each shape without an effect")
    parser.add_argument("--planted", type=int, default=40, help="studies for each planted effect")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("out/evidence"))
    parser.add_argument("--markdown", type=Path)
    options = parser.parse_args()
    if options.what == "run":
        from evidence import study_cell as cell_of  # by name: processes import it, because the kinds cannot be pickled

        todo = all_cells(options.null, options.planted)
        cells.run(cell_of, [(*cell, options.out) for cell in todo], options.workers)
        return
    if options.what == "pack":
        for group in ("null", "planted"):
            if by_kind(options.out, group):
                print(cells.pack(options.out / group, f"evidence-{group}"))
        return
    null, planted = (by_kind(options.out, group) for group in ("null", "planted"))
    for name, table, kinds in (("null", null_table, null), ("planted", planted_table, planted),
                               ("coverage", coverage_table, planted)):  # fmt: skip
        if not kinds:
            continue
        rows = table(kinds)
        print(f"{name}\n{cells.markdown(rows)}\n")
        if options.markdown:
            tables.write(options.markdown, name, cells.markdown(rows), kind="evidence")


if __name__ == "__main__":
    main()
