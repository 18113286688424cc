"""Adds the parameters of a recipe to the user's optimizer, and removes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch  # noqa: F401  (for the example)
from torch import nn
from torch.optim import Optimizer


def add_parameters(
    optimizer: Optimizer, parameters: Mapping[str, nn.Parameter], neighbour: nn.Parameter | None = None
) -> None:
    """Train additional parameters with the settings of `neighbour`, but without weight decay.

    They join its parameter group (by default the first one), or a new group if that group has weight decay.

    >>> layer, bias = nn.Linear(2, 2), nn.Parameter(nn.Linear(2, 2).bias.detach())
    >>> optimizer = torch.optim.AdamW(layer.parameters(), lr=0.5, weight_decay=0.1)
    >>> add_parameters(optimizer, {"bias": bias})
    >>> [(len(group["params"]), group["lr"], group["weight_decay"]) for group in optimizer.param_groups]
    [(2, 0.5, 0.1), (1, 0.5, 0.0)]
    """
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    new = {name: p for name, p in parameters.items() if id(p) not in held}
    if not new:
        return
    home = next(
        (g for g in optimizer.param_groups if any(p is neighbour for p in g["params"])), optimizer.param_groups[0]
    )
    if not home.get("weight_decay"):
        home["params"].extend(new.values())
        if "param_names" in home:
            home["param_names"].extend(new)
        return
    own: dict[str, Any] = {key: value for key, value in home.items() if key not in ("params", "param_names")}
    named = list(new.items()) if "param_names" in home else list(new.values())
    optimizer.add_param_group(own | {"params": named, "weight_decay": 0.0})


def remove_parameters(optimizer: Optimizer, parameters: Mapping[str, nn.Parameter]) -> None:
    """The inverse of `add_parameters`: removes parameters, their state, and groups that become empty."""
    removed = {id(p) for p in parameters.values()}
    emptied = []
    for group in optimizer.param_groups:
        stay = [i for i, p in enumerate(group["params"]) if id(p) not in removed]
        if group["params"] and not stay:
            emptied.append(id(group))
        for key in {"params", "param_names"} & group.keys():
            group[key] = [group[key][i] for i in stay]
    optimizer.param_groups[:] = [group for group in optimizer.param_groups if id(group) not in emptied]
    for parameter in parameters.values():
        optimizer.state.pop(parameter, None)
