"""The benchmarks import names that the package has; they are too slow to be run in tests."""

from __future__ import annotations

import ast
import importlib.util
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"
FILES = sorted(FOLDER.glob("*.py"))


def imported(file: Path) -> list[tuple[str, str]]:
    """The modules of goodfit and the names that a file imports from them."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    froms = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
    return [(str(n.module), a.name) for n in froms for a in n.names if str(n.module).split(".")[0] == "goodfit"]


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_the_names_that_a_benchmark_imports_exist(file: Path) -> None:
    for module, name in imported(file):
        home = importlib.import_module(module)
        assert hasattr(home, name) or importlib.util.find_spec(f"{module}.{name}"), f"{module} has no {name}"


def test_there_are_benchmarks() -> None:
    assert sum(bool(imported(file)) for file in FILES) > 10
