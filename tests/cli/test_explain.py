"""The command explain: for a recipe, a run, and a run of the user's own network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import nn

from goodfit import Training, fit, load, save_run

Cli = Callable[..., Any]
SMALL = ("--model", "mlp:8", "--epochs", 3)


def test_explain_a_recipe(goodfit: Cli) -> None:
    text = goodfit("explain", "--recipe", "l2=1e-4, early_stopping=5", "--model", "mlp:7", "--inputs", 5).ok()
    assert "7×5" in text
    assert "2×7" in text
    assert "l2=0.0001" in text
    assert "on the whole run: early_stopping=5" in text


def test_explain_a_run_or_another_recipe_on_its_network(goodfit: Cli, csv: Path) -> None:
    out = csv.parent / "run"
    goodfit("fit", csv, "--target", "kind", *SMALL, "--recipe", "batch_norm, l2=0.01", "--out", out).ok()
    own = goodfit("explain", out).ok()
    assert "8×2" in own
    assert "batch_norm on its output" in own
    other = goodfit("explain", out, "--recipe", "l1=0.5").ok()
    assert "8×2" in other
    assert "l1=0.5" in other
    assert "batch_norm" not in other


def test_explain_needs_a_reference_network(goodfit: Cli, csv: Path) -> None:
    split = load(csv, "kind").split()
    save_run(fit(nn.Sequential(nn.Linear(2, 2)), split, "", Training(epochs=1)), csv.parent / "own")
    result = goodfit("explain", csv.parent / "own")
    assert result.code == 2
    assert "explain: the run must have a reference network, got " in result.err
    assert "call goodfit.explain(network, recipe) in Python." in result.err
