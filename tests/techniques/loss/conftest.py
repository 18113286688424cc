"""Fixtures for the tests of loss techniques."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from goodfit.stages import ForwardPass


@pytest.fixture
def make_forward() -> Callable[..., ForwardPass]:
    """Builds a forward pass from the given fields; its network must not be called."""

    def make(output: Tensor, y: Tensor | None = None, **fields: Any) -> ForwardPass:
        rows = len(output)
        targets = torch.zeros(rows, dtype=torch.long) if y is None else y
        fields = {"network": must_not_be_called, "x": torch.zeros(rows, 1, dtype=output.dtype)} | fields
        return ForwardPass(y=targets, output=output, **fields)

    return make


def must_not_be_called(x: Tensor) -> Tensor:
    raise AssertionError("the network was called")
