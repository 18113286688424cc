"""The table of techniques and checks at the end of the test session."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pytest

from goodfit.testing.check import name_of

HERE = Path(__file__).parent
MARKS = {"passed": "✓", "failed": "✗", "skipped": "–"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Note on each item which cell of the table it fills (the report carries it)."""
    for item in items:
        if isinstance(item, pytest.Function) and item.path.parent == HERE and hasattr(item, "callspec"):
            technique, check = (item.callspec.params.get(name) for name in ("technique", "check"))
            contract = name_of(check) if check else item.originalname.removeprefix("test_")
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
    terminalreporter.section("contract: techniques × checks")
    for number, contract in enumerate(contracts, start=1):
        terminalreporter.write_line(f"{number:>3} {contract.replace('_', ' ')}")
    width = max(len(name) for name in cells) + 1
    terminalreporter.write_line(" " * width + " ".join(f"{n:>2}" for n in range(1, len(contracts) + 1)))
    for name, row in sorted(cells.items()):
        marks = " ".join(f"{row.get(contract, ' '):>2}" for contract in contracts)
        terminalreporter.write_line(f"{name:<{width}}{marks}")
