"""Checks of a penalty: its gradient is that of its value."""

from __future__ import annotations

from unittest import SkipTest

import torch
from torch import Tensor

from goodfit.stages import Penalty, ProximalPenalty, QuadraticPenalty, SmoothPenalty
from goodfit.technique import Technique
from goodfit.testing.member_inputs import arguments
from goodfit.testing.runs import strongest

STEP = 1e-6
"""The distance of the points between which a derivative is taken."""


def check_gradient_is_that_of_the_value(technique: type[Technique]) -> None:
    """The gradient of a smooth or quadratic penalty equals the numerical derivative of `value`."""
    penalty = strongest(technique)
    if not isinstance(penalty, SmoothPenalty | QuadraticPenalty) or isinstance(penalty, ProximalPenalty):
        raise SkipTest("it is not a smooth or quadratic penalty")
    for (w,) in arguments(technique, 0):
        expected = _derivative(penalty, w)
        gradient = penalty.gradient(w) if isinstance(penalty, SmoothPenalty) else penalty.coefficient() * w
        shapes = tuple(w.shape), tuple(gradient.shape)
        assert shapes[0] == shapes[1], f"gradient must have the shape {shapes[0]} of w, got {shapes[1]}"
        error = float((gradient - expected).abs().max())
        close = torch.allclose(gradient, expected, rtol=1e-5, atol=1e-8)
        assert close, f"gradient must be the derivative of value, but differs by up to {error:.2g}"


def _derivative(penalty: Penalty, w: Tensor) -> Tensor:
    """The derivative of a penalty's value at w by central differences, of w's shape."""
    slopes = []
    for number in range(w.numel()):
        ahead, behind = w.clone(), w.clone()
        ahead.view(-1)[number] += STEP
        behind.view(-1)[number] -= STEP
        slopes.append((penalty.value(ahead) - penalty.value(behind)) / (2 * STEP))
    return torch.stack(slopes).reshape(w.shape)
