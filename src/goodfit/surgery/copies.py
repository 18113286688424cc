"""Copies of a network."""

from __future__ import annotations

import copy

from torch import Tensor, nn


def copy_module(model: nn.Module) -> nn.Module:
    """A deep copy, also of layers that hold a tensor computed from weights, which torch refuses to copy.

    Such are those of the old `torch.nn.utils.weight_norm`; they compute it anew in every forward pass.

    >>> twin = copy_module(net := nn.Linear(2, 2))
    >>> twin is net, bool((twin.weight == net.weight).all())
    (False, True)
    """
    held = [tensor for module in model.modules() for tensor in vars(module).values() if isinstance(tensor, Tensor)]
    return copy.deepcopy(model, {id(tensor): tensor.detach().clone() for tensor in held if not tensor.is_leaf})
