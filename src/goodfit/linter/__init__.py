"""The linter: what is doubtful in a recipe, on a given network, with the reason and who says so."""

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
    reach,
    stopping,
)
from goodfit.linter.message import SEVERITIES, Context, LintMessage
from goodfit.linter.view import View
from goodfit.technique import Technique

__all__ = ["RULES", "Context", "LintMessage", "lint"]

Rule = Callable[[View, Context], Iterator[LintMessage]]
SUBJECTS = (reach, dropout, norms, penalties, constraints, labels, classes, inputs, gradients, averages, stopping)
RULES: tuple[Rule, ...] = tuple(rule for subject in SUBJECTS for rule in subject.RULES)
"""Every rule, by subject: a function of the recipe on its network and of what else is known."""


def lint(techniques: Sequence[Technique], model: nn.Module, context: Context | None = None) -> list[LintMessage]:
    """What is wrong or doubtful about these techniques on this network, the worst first.

    Nothing is run: the network's modules are looked at in the order of their registration, and what a forward pass
    computes beside them (`F.dropout`) is not seen.

    >>> from goodfit.techniques import L2, WeightDecay
    >>> for message in lint([L2(1e-4), WeightDecay(0.01)], nn.Linear(2, 1)):
    ...     print(message.severity, message.techniques, message.where, message.remedy)
    warning ('l2', 'weight_decay') ('weight',) keep weight_decay
    """
    view = View(techniques, model)
    found = [message for rule in RULES for message in rule(view, context or Context())]
    return sorted(found, key=lambda message: SEVERITIES.index(message.severity))
