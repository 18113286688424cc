"""New starting weights for a network, from a seed."""

from __future__ import annotations

import copy

import torch
from torch import nn

from goodfit.errors import InputError


def initialise(model: nn.Module, seed: int) -> nn.Module:
    """A copy of a network with fresh weights: every layer's own `reset_parameters`, under the seed.

    The global generators are left as they were.

    >>> net = nn.Linear(3, 2)
    >>> bool((initialise(net, 1).weight == initialise(net, 1).weight).all())
    True

    Raises:
        InputError: a module has weights of its own and no `reset_parameters`; give a function that builds the network.
    """
    fresh = copy.deepcopy(model)
    reset(fresh, seed)
    return fresh


def reset(model: nn.Module, seed: int) -> None:
    """Give a network fresh weights, in place; otherwise as `initialise`."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for name, module in model.named_modules():
            own = [n for n, _ in module.named_parameters(recurse=False)]
            again = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
            if callable(again):
                again()
            elif own:
                raise InputError(
                    f"model: '{name or type(module).__name__}' has weights of its own ({own[0]}) and no "
                    "reset_parameters method, so it cannot start anew; add one."
                )
