"""Example networks, and fixtures that run a single rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

from goodfit.linter import Context, LintMessage
from goodfit.linter.view import View
from goodfit.recipe import Recipe


def plain() -> nn.Sequential:
    return nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3))


@pytest.fixture
def ask() -> Callable[..., list[LintMessage]]:
    """Run one rule on a recipe and a network (default: a plain MLP); returns its messages."""

    def run(rule: Any, recipe: str, model: nn.Module | None = None, **context: Any) -> list[LintMessage]:
        view = View(tuple(Recipe.of(recipe)), plain() if model is None else model)
        return list(rule(view, Context(**context)))

    return run


@pytest.fixture
def one(ask: Callable[..., list[LintMessage]]) -> Callable[..., LintMessage]:
    """Run a rule that must return exactly one message."""

    def run(*args: Any, **context: Any) -> LintMessage:
        messages = ask(*args, **context)
        assert len(messages) == 1, [str(message) for message in messages]
        return messages[0]

    return run


@pytest.fixture
def mlp() -> nn.Sequential:
    """An MLP 20-32-32-3 without regularization."""
    return plain()


@pytest.fixture
def normed() -> nn.Sequential:
    """An MLP with batch norms: modules 1 and 4, after the layers 0 and 3."""
    return nn.Sequential(
        nn.Linear(20, 32),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Linear(32, 32),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Linear(32, 3),
    )


@pytest.fixture
def convolutions() -> nn.Sequential:
    """Two convolutions and a linear layer."""
    return nn.Sequential(
        nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(), nn.Flatten(), nn.Linear(512, 3)
    )
