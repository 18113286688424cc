"""What the contract's tests share, and the table of what passed at the end of the session."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import pytest
import torch

from goodfit import techniques
from goodfit.data import Split
from goodfit.technique import Technique
from goodfit.train.config import Training
from goodfit.train.fit import fit
from goodfit.train.run import Run

MARKS = {"passed": "✓", "failed": "✗", "skipped": "–"}


@pytest.fixture
def train(home: Callable[[type[Technique]], Any]) -> Callable[..., Run]:
    """Train the technique's network on its data for a few epochs, with a recipe (or without one)."""

    def run(technique: type[Technique], recipe: Any = "", split: Split | None = None, **options: Any) -> Run:
        place = home(technique)
        model = options.pop("model", None)
        extra = {name: options.pop(name) for name in ("seed", "checkpoints") if name in options}
        settings = {"epochs": 3, "batch_size": 16, "learning_rate": 0.01} | options
        return fit(
            place.model() if model is None else model, split or place.split, recipe, Training(**settings), **extra
        )

    return run


@pytest.fixture
def same_bits() -> Callable[[Run, Run], None]:
    """Assert that two runs are equal in every weight and every number but the seconds."""

    def check(a: Run, b: Run) -> None:
        for mine, other in ((a.last, b.last), (a.best, b.best), (a.model.state_dict(), b.model.state_dict())):
            assert mine.keys() == other.keys()
            different = [name for name in mine if not torch.equal(mine[name], other[name])]
            assert not different
        assert timeless(a) == timeless(b)
        assert (a.best_epoch, a.kept, a.stopped) == (b.best_epoch, b.kept, b.stopped)

    return check


def timeless(run: Run) -> list[dict[str, float]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in run.history]


# ---- the table at the end ---------------------------------------------------------------------------


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test that asks for `technique` runs for the whole catalogue: there is no list to keep."""
    if "knob_name" in metafunc.fixturenames:
        pairs = [(t, k) for t in techniques.ALL.values() for k in t.knobs()]
        ids = [f"{t.name()}-{k}" for t, k in pairs]
        metafunc.parametrize(("technique", "knob_name"), pairs, ids=ids)
    elif "technique" in metafunc.fixturenames:
        metafunc.parametrize("technique", techniques.ALL.values(), ids=techniques.ALL.keys())


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Note on each item which cell of the table it fills (the report carries it)."""
    for item in items:
        technique = getattr(item, "callspec", None) and item.callspec.params.get("technique")
        if isinstance(technique, type) and "contract" in item.path.parts:
            contract = item.originalname.removeprefix("test_")
            item.user_properties.append(("contract", f"{technique.name()}:{contract}"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print techniques × contracts: ✓ passed, ✗ failed, – does not apply (the skip says why)."""
    cells: dict[str, dict[str, str]] = defaultdict(dict)
    for outcome, mark in sorted(MARKS.items(), key=lambda pair: pair[0] != "failed"):
        for report in terminalreporter.stats.get(outcome, []):
            for key, value in getattr(report, "user_properties", []):
                if key == "contract":
                    name, contract = value.split(":")
                    cells[name].setdefault(contract, mark)
    if not cells:
        return
    contracts = sorted({contract for row in cells.values() for contract in row})
    terminalreporter.section("contract: techniques × promises")
    for number, contract in enumerate(contracts, start=1):
        terminalreporter.write_line(f"{number:>3} {contract.replace('_', ' ')}")
    width = max(len(name) for name in cells) + 1
    terminalreporter.write_line(" " * width + " ".join(f"{n:>2}" for n in range(1, len(contracts) + 1)))
    for name, row in sorted(cells.items()):
        marks = " ".join(f"{row.get(contract, ' '):>2}" for contract in contracts)
        terminalreporter.write_line(f"{name:<{width}}{marks}")
