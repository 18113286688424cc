"""Parameters that a recipe brings, in an optimizer of the user's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch  # noqa: F401  (for the example)
from torch import nn
from torch.optim import Optimizer


def join(optimizer: Optimizer, parameters: Mapping[str, nn.Parameter], beside: nn.Parameter | None = None) -> None:
    """Train further parameters like the one `beside` them, but without weight decay.

    They come into that one's group (else the first), or into one of their own where that group decays its weights.

    >>> layer, bias = nn.Linear(2, 2), nn.Parameter(nn.Linear(2, 2).bias.detach())
    >>> optimizer = torch.optim.AdamW(layer.parameters(), lr=0.5, weight_decay=0.1)
    >>> join(optimizer, {"bias": bias})
    >>> [(len(group["params"]), group["lr"], group["weight_decay"]) for group in optimizer.param_groups]
    [(2, 0.5, 0.1), (1, 0.5, 0.0)]
    """
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    new = {name: p for name, p in parameters.items() if id(p) not in held}
    if not new:
        return
    home = next((g for g in optimizer.param_groups if any(p is beside for p in g["params"])), optimizer.param_groups[0])
    if not home.get("weight_decay"):
        home["params"].extend(new.values())
        if "param_names" in home:
            home["param_names"].extend(new)
        return
    own: dict[str, Any] = {key: value for key, value in home.items() if key not in ("params", "param_names")}
    named = list(new.items()) if "param_names" in home else list(new.values())
    optimizer.add_param_group(own | {"params": named, "weight_decay": 0.0})


def leave(optimizer: Optimizer, parameters: Mapping[str, nn.Parameter]) -> None:
    """The inverse of `join`: parameters, their state, and the groups that held nothing else."""
    gone = {id(p) for p in parameters.values()}
    emptied = []
    for group in optimizer.param_groups:
        stay = [i for i, p in enumerate(group["params"]) if id(p) not in gone]
        if group["params"] and not stay:
            emptied.append(id(group))
        for key in {"params", "param_names"} & group.keys():
            group[key] = [group[key][i] for i in stay]
    optimizer.param_groups[:] = [group for group in optimizer.param_groups if id(group) not in emptied]
    for parameter in parameters.values():
        optimizer.state.pop(parameter, None)
