"""What loss terms may use of the forward pass."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from goodfit.stages import ForwardPass


def forward(output: Tensor) -> ForwardPass:
    return ForwardPass(lambda x: x, torch.zeros(len(output), 1), torch.zeros(len(output)), output)


def test_log_probabilities_of_several_classes() -> None:
    output = torch.tensor([[0.0, math.log(3.0)], [math.log(2.0), math.log(6.0)]])
    expected = torch.tensor([[0.25, 0.75], [0.25, 0.75]])
    torch.testing.assert_close(forward(output).log_probabilities().exp(), expected)


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_a_single_logit_is_that_of_the_second_class(shape: tuple[int, ...]) -> None:
    logits = torch.tensor([0.0, math.log(4.0)]).reshape(shape)
    expected = torch.tensor([[0.5, 0.5], [0.2, 0.8]])
    torch.testing.assert_close(forward(logits).log_probabilities().exp(), expected)


def test_another_output_replaces_that_of_the_pass() -> None:
    other = torch.tensor([[math.log(9.0), 0.0]])
    result = forward(torch.zeros(1, 2)).log_probabilities(other)
    torch.testing.assert_close(result.exp(), torch.tensor([[0.9, 0.1]]))
