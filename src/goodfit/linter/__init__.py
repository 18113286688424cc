"""The linter: checks a recipe against a network and reports errors, warnings and notes, with reason and source."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from torch import nn

from goodfit.linter import (
    averages,
    classes,
    constraints,
    dropout,
    gradients,
    inputs,
    labels,
    norms,
    penalties,
    selectors,
    stopping,
)
from goodfit.linter.message import SEVERITIES, Context, LintMessage
from goodfit.linter.view import View
from goodfit.technique import Technique

__all__ = ["CONTRADICTIONS", "RULES", "Context", "LintMessage", "contradictions", "lint"]

Rule = Callable[[View, Context], Iterator[LintMessage]]
SUBJECTS = (
    selectors, dropout, norms, penalties, constraints, labels, classes, inputs, gradients, averages, stopping,
)  # fmt: skip
RULES: tuple[Rule, ...] = tuple(rule for subject in SUBJECTS for rule in subject.RULES)
"""All rules, by subject. A rule is a function of the recipe on its network and of the training's context."""
CONTRADICTIONS: tuple[Rule, ...] = (
    constraints.unit_norm_with_bounds, constraints.two_bounds, dropout.r_drop_without_noise, labels.wrong_targets,
)  # fmt: skip
"""The rules whose errors nothing else detects before training: techniques that contradict each other."""


def lint(techniques: Sequence[Technique], model: nn.Module, context: Context | None = None) -> list[LintMessage]:
    """Check techniques on a network; returns errors first, then warnings, then notes.

    The linter does not run the network. It reads the modules in the order of their registration; it cannot see what a
    forward pass computes outside of modules (`F.dropout`).

    >>> from goodfit.techniques import L2, WeightDecay
    >>> for message in lint([L2(1e-4), WeightDecay(0.01)], nn.Linear(2, 1)):
    ...     print(message.severity, message.techniques, message.where, message.remedy)
    warning ('l2', 'weight_decay') ('weight',) keep weight_decay
    """
    view = View(techniques, model)
    messages = [message for rule in RULES for message in rule(view, context or Context())]
    return sorted(messages, key=lambda message: SEVERITIES.index(message.severity))


def contradictions(
    techniques: Sequence[Technique], model: nn.Module, context: Context | None = None
) -> list[LintMessage]:
    """The errors of `lint` that prevent training and that no other check before training detects."""
    view = View(techniques, model)
    messages = [message for rule in CONTRADICTIONS for message in rule(view, context or Context())]
    return [message for message in messages if message.severity == "error"]
