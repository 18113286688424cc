"""`make technique`: the written technique can be imported, is in the catalogue, and has a test that fails."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


def load_module(name: str, path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    try:
        spec.loader.exec_module(module)
    finally:
        del sys.modules[name]
    return module


TOOL = load_module("new_technique", ROOT / "tools" / "new_technique.py")
BASES = [(stage, base) for stage, bases in TOOL.BASES.items() for base in bases]


@pytest.mark.parametrize(("stage", "base"), BASES)
def test_every_base_class_gives_a_technique_that_can_be_constructed(stage: str, base: str, tmp_path: Path) -> None:
    file = tmp_path / "foo_bar.py"
    file.write_text(TOOL.technique_text("FooBar", stage, base), encoding="utf-8")
    technique = load_module("foo_bar", file).FooBar
    assert issubclass(technique, getattr(importlib.import_module(TOOL.MODULES.get(base, "goodfit.stages")), base))
    assert stage not in TOOL.KINDS or technique.kinds == (stage,)
    assert getattr(technique(0.25), "p" if base == "Flip" else "strength") == 0.25


def test_every_folder_of_techniques_is_a_stage() -> None:
    folders = {path.parent.name for path in (ROOT / "src" / "goodfit" / "techniques").glob("*/__init__.py")}
    assert folders == set(TOOL.BASES)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what the tool reads and writes."""
    for folder in ("src", "tools", "docs/techniques"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__", "*.png"))
    return tmp_path


def run(checkout: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src")}
    return subprocess.run(
        [sys.executable, *command], cwd=checkout, env=environment, capture_output=True, text=True, check=False
    )


def test_a_new_technique_is_in_the_catalogue_and_its_test_fails(checkout: Path) -> None:
    done = run(checkout, "tools/new_technique.py", "FooBar", "weights")
    assert done.returncode == 0, done.stderr
    assert (checkout / "docs" / "techniques" / "foo_bar.md").exists()
    recipe = run(checkout, "-c", "import goodfit as gf; print(*gf.Recipe.of('foo_bar=0.5'))")
    assert recipe.stdout.startswith("FooBar("), recipe.stderr
    failed = run(checkout, "-m", "pytest", "-p", "no:cacheprovider", "tests/techniques/weights/test_foo_bar.py")
    assert "write this test" in failed.stdout
    second = run(checkout, "tools/new_technique.py", "FooBar", "batch")
    assert second.returncode == 2
    assert "exists already; nothing was written" in second.stderr


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("FooBar", "layers"), "STAGE must be one of sample, batch, .*, got 'layers'"),
        (("foo_bar", "loss"), "NAME must be a class name in CamelCase, .*, got 'foo_bar'"),
        (("FooBar", "loss", "OnGrads"), "BASE must be one of OnLoss for loss, got 'OnGrads'"),
    ],
)
def test_invalid_arguments_are_refused(
    arguments: tuple[str, ...], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert TOOL.main(list(arguments)) == 2
    assert re.search(error, capsys.readouterr().err)
