"""The version of the package."""

from __future__ import annotations

import ast
import inspect
import tomllib
from pathlib import Path

import pytest

from goodfit import _version

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


@pytest.mark.skipif(not PROJECT.exists(), reason="pyproject.toml is not next to the tests")
def test_the_version_is_that_of_the_project() -> None:
    assert _version.__version__ == tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["version"]


def test_the_module_imports_nothing() -> None:
    tree = ast.parse(inspect.getsource(_version))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
