"""The whole linter: every rule is listed and tested, and names existing techniques."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from goodfit import linter, techniques
from goodfit.linter import Context, LintMessage, lint
from goodfit.recipe import Recipe

HERE = Path(__file__).parent
SUBJECTS = pytest.mark.parametrize("subject", linter.SUBJECTS, ids=lambda m: m.__name__.rsplit(".", 1)[-1])


@SUBJECTS
def test_every_rule_is_listed_documented_and_tested(subject: ModuleType) -> None:
    rules = {f for _, f in inspect.getmembers(subject, inspect.isgeneratorfunction) if f.__module__ == subject.__name__}
    assert {f for f in rules if not f.__name__.startswith("_")} == set(subject.RULES)
    assert all(rule.__doc__ for rule in subject.RULES)
    name = subject.__name__.rsplit(".", 1)[-1]
    tested = re.findall(r"^def test_(\w+)\(", (HERE / f"test_{name}.py").read_text(encoding="utf-8"), re.MULTILINE)
    for rule in subject.RULES:
        assert {f"{rule.__name__}_fires", f"{rule.__name__}_is_silent"} <= set(tested)


@SUBJECTS
def test_rules_name_techniques_that_exist(subject: ModuleType) -> None:
    tree = ast.parse(inspect.getsource(subject))
    queried = [
        argument.value
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and getattr(call.func, "attr", "") in ("named", "has", "get")
        for argument in call.args
        if isinstance(argument, ast.Constant)
    ]
    assert set(queried) <= set(techniques.ALL)


def test_lists_of_names_exist() -> None:
    named = (*linter.labels.MIXING, *linter.classes.BALANCING, *linter.dropout.DROPOUTS)
    assert set(named) <= set(techniques.ALL)


def test_messages_are_sorted_by_severity_and_have_one_line() -> None:
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    recipe = Recipe.of("l2=0.1, weight_decay=0.1, unit_norm, max_norm=0.5, dropout=0.5, batch_norm, r_drop, ema, swa")
    messages = lint(tuple(recipe), net, Context(batch_size=4, metric="log_loss", epochs=3))
    assert [r.severity for r in messages] == sorted(
        (r.severity for r in messages), key=("error", "warning", "note").index
    )
    assert {"error", "warning", "note"} == {r.severity for r in messages}
    for message in messages:
        assert re.fullmatch(rf"{message.severity}: [^\n]+: [^\n]+; [^\n]+\.( \[[^\n]+\])?", str(message))
        assert set(message.techniques) <= {t.name() for t in recipe}


def test_usual_recipes_give_no_messages() -> None:
    net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))
    known = Context(batch_size=64, epochs=30, metric="accuracy", rows=5000, stop_rows=1000, manual_loop=False)
    for text in ("", "weight_decay=0.01, dropout=0.25, ema=0.5, early_stopping=5", "l1=1e-4, max_norm=3, mixup=0.2"):
        assert lint(tuple(Recipe.of(text)), net, known) == []


@pytest.mark.parametrize("name", techniques.ALL)
def test_every_technique_alone_on_every_kind_of_network(name: str) -> None:
    technique = techniques.ALL[name]()
    networks = [
        nn.Linear(4, 2),
        nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)),
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4, 2)),
        nn.Sequential(nn.Embedding(9, 4), nn.LSTM(4, 4, 2, dropout=0.1)),
        nn.TransformerEncoderLayer(8, 2, 16),
        nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(4, 4)), nn.Linear(4, 2)),
        nn.ReLU(),
    ]
    before = torch.get_rng_state()
    for net in networks:
        messages = lint([technique], net, Context(batch_size=8, accumulate=2, epochs=2, manual_loop=True))
        assert all(isinstance(message, LintMessage) for message in messages)
    assert torch.equal(before, torch.get_rng_state())


def test_neutral_techniques_are_ignored() -> None:
    net = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2))
    assert lint(tuple(Recipe.of("l2=0.0, weight_decay=0.01, dropout=0.0, batch_norm, r_drop=0.0")), net) == lint(
        tuple(Recipe.of("weight_decay=0.01, batch_norm")), net
    )
