"""The multilayer perceptron."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import nn

from goodfit.errors import InputError


def mlp(input_shape: Sequence[int] | int, outputs: int, hidden: Sequence[int] = (256, 256)) -> nn.Sequential:
    """Build linear layers with ReLU between them; inputs with several dimensions are flattened.

    Shape: inputs (batch, *input_shape), outputs (batch, outputs), raw (no softmax).

    >>> mlp(20, 2, hidden=(64, 64))
    Sequential(
      (0): Linear(in_features=20, out_features=64, bias=True)
      (1): ReLU()
      (2): Linear(in_features=64, out_features=64, bias=True)
      (3): ReLU()
      (4): Linear(in_features=64, out_features=2, bias=True)
    )

    Raises:
        InputError: a size is below 1.
    """
    shape = (input_shape,) if isinstance(input_shape, int) else tuple(input_shape)
    sizes = [math.prod(shape), *hidden, outputs]
    if min(sizes) < 1:
        raise InputError(f"mlp: every size must be at least 1, got inputs {shape}, hidden {hidden}, outputs {outputs}.")
    layers: list[nn.Module] = [nn.Flatten()] if len(shape) > 1 else []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
