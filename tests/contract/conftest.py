"""What the contract's tests share, and the table of what passed at the end of the session."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from goodfit import techniques
from goodfit.data import Split
from goodfit.stages import BranchNoise, Recurrent
from goodfit.technique import Technique
from goodfit.train import Run, Training, fit

MARKS = {"passed": "✓", "failed": "✗", "skipped": "–"}


def strong(technique: type[Technique]) -> Technique:
    """The technique at the end of its search ranges where it acts most, so that whatever it breaks shows."""
    values = {}
    for name, knob in technique.knobs().items():
        if knob.neutral is not None:
            values[name] = max(knob.search, key=lambda v: abs(v - knob.neutral)) if knob.search else knob.default
            if abs(knob.neutral) > 1e6:  # bounds and patience: the lower, the stronger
                values[name] = min(knob.search)
    return technique.of(values)


@pytest.fixture
def at_work() -> Callable[[type[Technique]], Technique]:
    """The function `strong`."""
    return strong


class Residual(nn.Module):
    """x + branch(x)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.branch(x)


def residual(outputs: int) -> nn.Sequential:
    """Two residual branches."""
    return nn.Sequential(nn.Linear(6, 8), Residual(8), nn.ReLU(), Residual(8), nn.Linear(8, outputs))


class Reader(nn.Module):
    """Reads the six features as a sequence of three pairs, in two layers."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.first = nn.LSTM(2, 8, batch_first=True)
        self.second = nn.GRU(8, 8, batch_first=True)
        self.head = nn.Linear(8, outputs)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.second(self.first(x.reshape(len(x), 3, 2))[0])
        return self.head(states[:, -1])  # type: ignore[no-any-return]


def convolutional(outputs: int) -> nn.Sequential:
    """Sees the six features as an image of 2 × 3."""
    maps = [nn.Unflatten(1, (1, 2, 3)), nn.Conv2d(1, 4, 2, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 2), nn.ReLU()]
    return nn.Sequential(*maps, nn.Conv2d(4, 4, 2), nn.Flatten(), nn.Linear(4 * 2, outputs))


@dataclass(frozen=True)
class Home:
    """Data and a network on which a technique can act, and a selector of some of the places that it acts on."""

    split: Split
    make: Callable[[], nn.Module]
    some: str

    def model(self) -> nn.Module:
        """The network, always the same, with large weights, so that bounds on them matter."""
        with torch.random.fork_rng():
            torch.manual_seed(0)
            made = self.make()
        with torch.no_grad():
            for parameter in made.parameters():
                if parameter.ndim > 1:
                    parameter.mul_(2.0)
        return made


@pytest.fixture
def home(three: Split, numbers: Split, net: Callable[..., nn.Sequential]) -> Callable[[type[Technique]], Home]:
    """What a technique's type and declarations ask for; there is no list to keep."""

    def choose(technique: type[Technique]) -> Home:
        split = numbers if getattr(technique, "needs", "any") == "numbers" else three
        outputs = split.spec.n_outputs
        if issubclass(technique, BranchNoise):
            return Home(split, lambda: residual(outputs), "1.branch")
        if issubclass(technique, Recurrent):
            return Home(split, lambda: Reader(outputs), "first")
        if getattr(technique, "inputs", "any") == "maps":
            return Home(split, lambda: convolutional(outputs), "3")
        if getattr(technique, "needs_noise", False):
            return Home(split, lambda: nn.Sequential(net(8, gain=1.5), nn.Dropout(0.3), nn.Linear(8, outputs)), "1")
        return Home(split, lambda: net(outputs, gain=1.5), "2")

    return choose


@pytest.fixture
def train(home: Callable[[type[Technique]], Home]) -> Callable[..., Run]:
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
