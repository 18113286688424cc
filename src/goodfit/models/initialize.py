"""Initialize the weights of a network from a seed."""

from __future__ import annotations

import copy

from torch import nn

from goodfit.errors import InputError
from goodfit.rng import seeded


def initialize(model: nn.Module, seed: int) -> nn.Module:
    """Copy a network and initialize all its weights: calls `reset_parameters` of every layer after setting the seed.

    The global random generators are not changed.

    >>> net = nn.Linear(3, 2)
    >>> bool((initialize(net, 1).weight == initialize(net, 1).weight).all())
    True

    Raises:
        InputError: a module has parameters but no `reset_parameters` method.
    """
    fresh = copy.deepcopy(model)
    reinitialize(fresh, seed)
    return fresh


def reinitialize(model: nn.Module, seed: int) -> None:
    """Initialize all weights of a network in place; otherwise like `initialize`.

    Raises:
        InputError: a module has parameters but no `reset_parameters` method.
    """
    with seeded(seed):
        for name, module in model.named_modules():
            own = [n for n, _ in module.named_parameters(recurse=False)]
            reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
            if callable(reset):
                reset()
            elif own:
                raise InputError(
                    f"model: '{name or type(module).__name__}' has parameters ({own[0]}) and must have a "
                    "reset_parameters method, so that it can be initialized; add one."
                )
