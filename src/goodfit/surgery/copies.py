"""Copies of a network."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn


def copy_module(model: nn.Module, memo: Mapping[int, Any] | None = None) -> nn.Module:
    """Copy a network deeply, including layers that store a tensor computed from weights, which torch does not copy.

    The old `torch.nn.utils.weight_norm` creates such layers; they recompute the tensor in every forward pass. `memo`
    maps ids of parts to what the copy holds in their place, as in `copy.deepcopy`.

    >>> twin = copy_module(net := nn.Linear(2, 2))
    >>> twin is net, bool((twin.weight == net.weight).all())
    (False, True)
    """
    stored = [tensor for module in model.modules() for tensor in vars(module).values() if isinstance(tensor, Tensor)]
    computed = {id(tensor): tensor.detach().clone() for tensor in stored if not tensor.is_leaf}
    return copy.deepcopy(model, {**computed, **(memo or {})})
